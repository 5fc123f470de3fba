// Says what is done in a recording: kinegraph_predict NETWORK.onnx JOINTS.csv
//
// NETWORK.onnx is written by `kinegraph export WEIGHTS NETWORK.onnx --preprocessing graph`. JOINTS.csv has a row for each
// joint of each frame, with the columns frame, joint (name or number), x, y, z where the network takes it, and, where
// there are any, person and score.

#include <onnxruntime_cxx_api.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

using Strings = std::vector<std::string>;

Strings cells(std::string line) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.compare(0, 3, "\xEF\xBB\xBF") == 0) line.erase(0, 3);  // a byte order mark
    Strings found;
    std::stringstream rest(line + ',');
    for (std::string cell; std::getline(rest, cell, ',');) found.push_back(cell);
    return found;
}

size_t place(const Strings& names, const std::string& name, const std::string& what) {
    auto at = std::find(names.begin(), names.end(), name);
    if (at == names.end()) throw std::runtime_error(what + " '" + name + "' is missing or not known");
    return at - names.begin();
}

double number(const std::string& cell, const std::string& where) {
    if (cell.empty()) return 0;  // not seen
    size_t end = 0;
    double value = 0;
    try { value = std::stod(cell, &end); } catch (const std::exception&) {}
    if (end != cell.size() || std::isinf(value)) throw std::runtime_error(where + ": '" + cell + "' is no number");
    return std::isnan(value) ? 0 : value;
}

// The recording as (people, frames, joints, columns); whoever and whatever has no row is zero.
std::vector<float> read(const std::string& path, const Strings& joints, const Strings& columns, size_t people,
                        size_t& frames) {
    std::ifstream file(path);
    std::string line;
    if (!std::getline(file, line)) throw std::runtime_error(path + " cannot be read, or is empty");
    const Strings head = cells(line);
    struct Row { long frame; std::string person; size_t joint; std::vector<float> values; };
    std::vector<Row> rows;
    for (size_t count = 2; std::getline(file, line); ++count) {
        const Strings row = cells(line);
        if (row.size() == 1 && row[0].empty()) continue;
        const std::string where = path + ", line " + std::to_string(count);
        if (row.size() != head.size()) throw std::runtime_error(where + " has another number of cells than line 1");
        auto cell = [&](const std::string& name) { return row[place(head, name, path + ": the column")]; };
        const std::string joint = cell("joint");
        const bool counted = !joint.empty() && joint.size() < 6 && joint.find_first_not_of("0123456789") == joint.npos;
        const size_t index = counted ? std::stoul(joint) : place(joints, joint, where + ": the joint");
        if (index >= joints.size()) throw std::runtime_error(where + ": there is no joint " + joint);
        const bool named = std::find(head.begin(), head.end(), "person") != head.end();
        Row one{std::lround(number(cell("frame"), where)), named ? cell("person") : "", index, {}};
        for (const auto& name : columns) one.values.push_back(float(number(cell(name), where)));
        rows.push_back(one);
    }
    if (rows.empty()) throw std::runtime_error(path + " has no rows");
    auto earlier = [](const Row& a, const Row& b) { return a.frame < b.frame; };
    const auto [first, last] = std::minmax_element(rows.begin(), rows.end(), earlier);
    frames = last->frame - first->frame + 1;
    if (frames > 1'000'000) throw std::runtime_error(path + " has more than a million frames");
    Strings persons;  // in the order in which they come
    std::vector<float> x(people * frames * joints.size() * columns.size());
    for (const auto& row : rows) {
        size_t who = std::find(persons.begin(), persons.end(), row.person) - persons.begin();
        if (who == persons.size()) persons.push_back(row.person);
        if (who >= people) continue;  // the network looks at so many people
        const size_t at = (who * frames + row.frame - first->frame) * joints.size() + row.joint;
        std::copy(row.values.begin(), row.values.end(), x.begin() + at * columns.size());
    }
    if (persons.size() > people)
        std::cerr << "note: " << persons.size() << " people, the network looks at the first " << people << "\n";
    return x;
}

void predict(const std::string& network, const std::string& recording) {
    Ort::Env env(ORT_LOGGING_LEVEL_FATAL);
    Ort::Session session(env, network.c_str(), Ort::SessionOptions());
    Ort::AllocatorWithDefaultOptions allocator;
    auto text = session.GetModelMetadata().LookupCustomMetadataMapAllocated("kinegraph", allocator);
    if (!text) throw std::runtime_error(network + " does not say its joints and classes; `kinegraph export` does");
    const auto about = nlohmann::json::parse(text.get());
    if (!about.value("prepares", false))
        throw std::runtime_error(network + " takes prepared clips: export it with --preprocessing graph");
    auto shape = session.GetInputTypeInfo(0).GetTensorTypeAndShapeInfo().GetShape();  // people, frames, joints, columns
    Strings columns{"x", "y", "z", "score"};
    columns.resize(shape.at(3));  // two: x, y; three: x, y, z; four: a score, too
    size_t frames = 0;
    auto x = read(recording, about.at("layout").at("joints"), columns, shape.at(0), frames);
    shape[1] = frames;
    const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    auto input = Ort::Value::CreateTensor<float>(memory, x.data(), x.size(), shape.data(), shape.size());
    const char *in[] = {"recording"}, *out[] = {"logits"};
    const auto result = session.Run(Ort::RunOptions(), in, &input, 1, out, 1);
    const Strings names = about.at("class_names");
    std::vector<double> shares(result[0].GetTensorData<float>(), result[0].GetTensorData<float>() + names.size());
    const double most = *std::max_element(shares.begin(), shares.end());
    for (auto& it : shares) it = std::exp(it - most);
    const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
    std::vector<size_t> order(names.size());
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return shares[a] > shares[b]; });
    for (size_t i = 0; i < std::min<size_t>(5, order.size()); ++i)
        std::printf("%6.2f %%  %s\n", 100 * shares[order[i]] / sum, names[order[i]].c_str());
}

int main(int count, char** words) {
    if (count != 3) {
        std::cerr << "usage: kinegraph_predict NETWORK.onnx JOINTS.csv\n";
        return 2;
    }
    try {
        predict(words[1], words[2]);
    } catch (const std::exception& error) {
        std::cerr << error.what() << "\n";
        return 2;
    }
}
