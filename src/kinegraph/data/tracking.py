"""Who is who over time, for every format whose files do not say it.

A detector lists the people of each frame in any order. `track` follows each person from frame to frame and gives every
detection a body of the clip; `follow_rows` does so for arrays whose rows are people, and changes nothing where the rows
are consistent already.

A detection goes to the track whose pose, moved on by its last velocity, is nearest: mean distance of the joints seen in
both, in body sizes. The pairs of a frame are those with the least sum of distances (Kuhn 1955, Munkres 1957). Tracks
that were seen in the frame before come first, then those that were lost for a while (Wojke et al. 2017). What goes to
no track begins one.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float, Int

REACH = 0.5  # body sizes that a person may move from one frame to the next; over a gap with the root of its frames
LONGEST_GAP = 30  # frames without a person after which he or she is a new one
STICKY = 0.1  # body sizes that another row of an array has to be nearer, for a person to have changed rows
FASTEST = 0.25  # body sizes a frame that are believed as a velocity
AHEAD = 3  # frames that a velocity is followed without seeing the person
PAUSE = 10  # frames that a body is without anybody, for a person who is left over to take its place meanwhile
CROWD = 50  # people of a frame that are looked at, the best first; more would take a frame seconds


@dataclass(frozen=True, eq=False)
class Tracks:
    """What became of the detections. rows: for each body and frame, which detection it is, -1 for none.

    left_out: detections that are of no body. changed: frames in which a detection left its row.
    """

    rows: Int[np.ndarray, "M T"]
    left_out: int = 0
    changed: int = 0


@dataclass(eq=False)
class _Track:
    """One person: which detection of which frame, and what the next one is compared with."""

    pose: Float[np.ndarray, "V D"]
    seen: Bool[np.ndarray, "V"]
    size: float
    velocity: Float[np.ndarray, "D"]
    at: dict[int, int] = field(default_factory=dict)
    last: int = -1
    row: int = -1  # of the last detection


def track(
    frames: Sequence[Float[np.ndarray, "_ V D"]],
    weights: Sequence[Float[np.ndarray, "_"]] | None = None,
    people: int | None = None,
    ids: Sequence[Sequence[Hashable]] | None = None,
) -> Tracks:
    """Follow people whose order in a frame means nothing; the order of a frame's detections changes nothing.

    frames: the people of each frame; a joint that was not seen is zero, and a person without joints is nobody.
    weights: how good each detection is, by default the share of its joints that were seen. people: bodies at most.
    ids: who each detection is, where the files say it; then nobody is followed, and everybody is a body of his or her
        own as long as there is room.

    Tracks become bodies, those with the largest sum of weights first. A track that shares no frame with a body
    continues it. Whoever is then left takes the place of a body that is away for PAUSE frames, or fills frames that
    would be without anybody.
    """
    frames = [poses.astype(np.float64) for poses in frames]
    seen = [poses.any(-1) for poses in frames]
    if weights is None:
        weights = [joints.mean(1) if joints.size else np.zeros(len(joints)) for joints in seen]
    order = [_canonical(poses, weight) for poses, weight in zip(frames, weights, strict=True)]
    tracks = [track.at for track in _tracks(frames, seen, order, sticky=0.0)] if ids is None else _by_id(ids, order)
    quality = [sum(float(weights[t][i]) for t, i in at.items()) for at in tracks]
    best = sorted(range(len(tracks)), key=lambda i: -quality[i])  # stable: equals stay in the order they appeared
    bodies: list[dict[int, int]] = []
    rest = []
    for at in (tracks[i] for i in best):
        room = people is None or len(bodies) < people
        body = None if room and ids is not None else _free(bodies, at)
        if body is None and room:
            bodies.append(body := {})
        if body is None:
            rest.append(at)
        else:
            body |= at
    for at in rest:
        _squeeze_in(at, bodies, [_pauses(body, len(frames)) >= PAUSE for body in bodies])
    rows = _rows(bodies, len(frames))
    there = sum(int(joints.any(1).sum()) for joints in seen)
    return Tracks(rows, left_out=there - int((rows >= 0).sum()))


def follow_rows(keypoint: Float[np.ndarray, "M T V C"]) -> Tracks:
    """Follow the people of an array, of whom each has a row unless they change rows; nobody is left out.

    A person stays in a row as long as no other row is nearer by STICKY, so consistent rows stay as they are.
    """
    people, length = keypoint.shape[:2]
    seen = keypoint.any(-1)
    own = np.where(seen.any(2), np.arange(people)[:, None], -1)
    if people < 2 or people > CROWD or _consistent(keypoint, seen):
        return Tracks(own)
    frames = list(keypoint.astype(np.float64).swapaxes(0, 1))
    there = list(seen.swapaxes(0, 1))
    order = [np.flatnonzero(joints.any(1)).tolist() for joints in there]
    bodies: list[dict[int, int]] = [{} for _ in range(people)]
    for track in _tracks(frames, there, order, sticky=STICKY):
        home = Counter(track.at.values()).most_common(1)[0][0]
        choice = [bodies[home], *(body for i, body in enumerate(bodies) if i != home)]
        if (body := _free(choice, track.at)) is None:
            _squeeze_in(track.at, choice, [np.ones(length, bool)] * people)
        else:
            body |= track.at
    rows = _rows(bodies, length)
    return Tracks(rows, changed=int((rows != own).any(0).sum()))


def gathered(frames: Sequence[Float[np.ndarray, "_ V D"]], tracks: Tracks) -> Float[np.ndarray, "M T V D"]:
    """The detections of each body, zero in the frames that it is not in."""
    joints, channels = next((poses.shape[1:] for poses in frames), (0, 0))
    found = np.zeros((*tracks.rows.shape, joints, channels), frames[0].dtype if frames else np.float32)
    for body, row in zip(found, tracks.rows, strict=True):
        for t in np.flatnonzero(row >= 0):
            body[t] = frames[t][row[t]]
    return found


# ---- tracks ----------------------------------------------------------------------------------------------------------


def _canonical(poses: Float[np.ndarray, "P V D"], weight: Float[np.ndarray, "P"]) -> list[int]:
    """The detections of a frame in an order that does not depend on the one they came in, best first."""
    there = [i for i in range(len(poses)) if poses[i].any()]
    if len(there) > 1:
        there.sort(key=lambda i: (-float(weight[i]), poses[i].ravel().tolist()))
    return there[:CROWD]


def _by_id(ids: Sequence[Sequence[Hashable]], order: Sequence[Sequence[int]]) -> list[dict[int, int]]:
    """The detections of each id; of an id that is there twice in a frame, the second one is somebody else."""
    found: dict[tuple[Hashable, int], dict[int, int]] = {}
    for t, there in enumerate(order):
        times: Counter[Hashable] = Counter()
        for i in there:
            who = ids[t][i]
            found.setdefault((who, times[who]), {})[t] = i
            times[who] += 1
    return list(found.values())


def _tracks(
    frames: Sequence[Float[np.ndarray, "_ V D"]],
    seen: Sequence[Bool[np.ndarray, "_ V"]],
    order: Sequence[Sequence[int]],
    sticky: float,
) -> list[_Track]:
    tracks: list[_Track] = []
    active: list[_Track] = []
    for t, (poses, joints, there) in enumerate(zip(frames, seen, order, strict=True)):
        active = [track for track in active if t - track.last <= LONGEST_GAP]
        begun = _continue(active, poses, joints, there, t, sticky)
        tracks += begun
        active += begun
    return tracks


def _continue(
    active: Sequence[_Track],
    poses: Float[np.ndarray, "P V D"],
    joints: Bool[np.ndarray, "P V"],
    there: Sequence[int],
    t: int,
    sticky: float = 0.0,
) -> list[_Track]:
    """Give the detections of a frame to the tracks that they continue. Returns new tracks of the others."""
    left, sizes, begun = list(there), _boxes(poses, joints), []
    for recent in (True, False):
        known = [track for track in active if (track.last == t - 1) == recent and track.last < t]
        pairs = _matched(poses, joints, left, known, t, sticky)
        for i, track in pairs.items():
            _extend(track, t, i, poses[i], joints[i], float(sizes[i]))
        left = [i for i in left if i not in pairs]
    for i in left:
        track = _Track(poses[i], joints[i], 0.0, np.zeros(poses.shape[2]))
        _extend(track, t, i, poses[i], joints[i], float(sizes[i]))
        begun.append(track)
    return begun


def _extend(
    track: _Track, t: int, i: int, pose: Float[np.ndarray, "V D"], joints: Bool[np.ndarray, "V"], size: float
) -> None:
    size = max(size, 0.9 * track.size, 1e-6)  # a body of which only the face is seen is still as large
    if track.at:
        both = joints & track.seen
        moved = both @ (pose - track.pose) / max(int(both.sum()), 1)
        velocity = (track.velocity + moved / (t - track.last)) / 2  # half of it is the detector's noise
        fast = float(np.linalg.norm(velocity))
        track.velocity = velocity * min(1.0, FASTEST * size / max(fast, 1e-9))
    track.pose, track.seen, track.size, track.last, track.row = pose, joints, size, t, i
    track.at[t] = i


def _matched(
    poses: Float[np.ndarray, "P V D"],
    joints: Bool[np.ndarray, "P V"],
    there: Sequence[int],
    known: Sequence[_Track],
    t: int,
    sticky: float,
) -> dict[int, _Track]:
    """Detection -> track, the pairs with the least sum of distances; a pair that is too far apart is none."""
    if not there or not known:
        return {}
    gap = np.array([t - track.last for track in known])
    size = np.array([track.size for track in known])
    last = np.stack([track.pose for track in known])
    last_seen = np.stack([track.seen for track in known])
    velocity = np.stack([track.velocity for track in known])
    expected = last + (velocity * np.minimum(gap, AHEAD)[:, None])[:, None]
    apart = _distances(poses[there], joints[there], expected, last_seen) / size
    if sticky:
        same = np.array([[track.row == i for track in known] for i in there])
        apart = np.maximum(apart - sticky * same, 0)
    cost = apart / (REACH * np.sqrt(gap))
    pairs = least_sum(cost)
    return {there[i]: known[j] for i, j in pairs}


def _distances(
    now: Float[np.ndarray, "P V D"],
    now_seen: Bool[np.ndarray, "P V"],
    then: Float[np.ndarray, "K V D"],
    then_seen: Bool[np.ndarray, "K V"],
) -> Float[np.ndarray, "P K"]:
    """Mean distance of the joints that are seen in both, or of the middles of two poses that share no joint."""
    both = now_seen[:, None] & then_seen
    apart = np.sqrt(((now[:, None] - then) ** 2).sum(-1))
    count = both.sum(-1)
    mean = (apart * both).sum(-1) / np.maximum(count, 1)
    if (count == 0).any():
        here, there = _middles(now, now_seen), _middles(then, then_seen)
        mean = np.where(count == 0, np.linalg.norm(here[:, None] - there, axis=-1), mean)
    return mean


def _middles(poses: Float[np.ndarray, "n V D"], seen: Bool[np.ndarray, "n V"]) -> Float[np.ndarray, "n D"]:
    return (poses * seen[..., None]).sum(1) / np.maximum(seen.sum(1), 1)[:, None]


def least_sum(cost: Float[np.ndarray, "n m"]) -> list[tuple[int, int]]:
    """The pairs of rows and columns with the least sum of costs, where a row without a column costs 1."""
    rows, columns = cost.shape
    nearest = cost.argmin(1)
    taken = cost[np.arange(rows), nearest] < 1
    if len(set(nearest[taken].tolist())) == taken.sum():  # nobody competes
        return [(int(i), int(nearest[i])) for i in np.flatnonzero(taken)]
    cost = np.concatenate([np.minimum(cost, 2.0), np.ones((rows, rows))], axis=1)
    row_price, column_price = np.zeros(rows), np.zeros(columns + rows)
    owner = np.full(columns + rows, -1)
    for row in range(rows):
        least, before = np.full(columns + rows, np.inf), np.full(columns + rows, -1)
        open_, at, column = np.ones(columns + rows, bool), row, -1
        reached = 0.0
        while at >= 0:  # the cheapest way, over owned columns, to a column without an owner
            ahead = reached + cost[at] - row_price[at] - column_price
            better = open_ & (ahead < least)
            least[better], before[better] = ahead[better], column
            column = int(np.where(open_, least, np.inf).argmin())
            reached, at = float(least[column]), int(owner[column])
            open_[column] = False
        closed = ~open_
        closed[column] = False
        row_price[owner[closed]] += reached - least[closed]
        column_price[closed] -= reached - least[closed]
        row_price[row] += reached
        while column >= 0:
            owner[column] = row if before[column] < 0 else owner[before[column]]
            column = int(before[column])
    return sorted((int(owner[j]), j) for j in range(columns) if owner[j] >= 0 and cost[owner[j], j] < 1)


# ---- bodies ----------------------------------------------------------------------------------------------------------


def _free(bodies: Sequence[dict[int, int]], at: dict[int, int]) -> dict[int, int] | None:
    """The first body that is in none of these frames."""
    return next((body for body in bodies if body.keys().isdisjoint(at)), None)


def _squeeze_in(at: dict[int, int], bodies: Sequence[dict[int, int]], room: Sequence[Bool[np.ndarray, "T"]]) -> None:
    """Put the frames of a track where a body has room, first into the one with most, and where nobody else would be."""
    alone = [t for t in at if not any(t in body for body in bodies)]
    for body, free in sorted(zip(bodies, room, strict=True), key=lambda pair: sum(t in pair[0] for t in at)):
        for t in [t for t in at if t not in body and free[t]]:
            body[t] = at.pop(t)
    bodies[0].update((t, at.pop(t)) for t in alone if t in at)


def _pauses(body: dict[int, int], length: int) -> Int[np.ndarray, "T"]:
    """How long the stretch without anybody is that a frame of a body lies in, 0 where somebody is."""
    there = np.array([-1, *sorted(body), length])
    between = np.diff(there) - 1
    pauses = np.zeros(length, int)
    for start, pause in zip(there[:-1], between, strict=True):
        pauses[start + 1 : start + 1 + pause] = pause
    return pauses


def _rows(bodies: Sequence[dict[int, int]], length: int) -> Int[np.ndarray, "M T"]:
    rows = np.full((len(bodies), length), -1)
    for row, body in zip(rows, bodies, strict=True):
        row[list(body)] = list(body.values())
    return rows


def _consistent(keypoint: Float[np.ndarray, "M T V C"], seen: Bool[np.ndarray, "M T V"]) -> bool:
    """Whether nobody is nearer, by STICKY, to where another row last had somebody than to its own row."""
    people, length = keypoint.shape[:2]
    there = seen.any(2)
    last = np.maximum.accumulate(np.where(there, np.arange(length), -1), axis=1)[:, :-1]
    known = (last >= 0) & (np.arange(1, length) - last <= LONGEST_GAP)
    pose = keypoint[np.arange(people)[:, None], last].astype(np.float64)  # of each row, before each frame but the first
    joints = seen[np.arange(people)[:, None], last]
    size = np.maximum(_boxes(pose, joints), 1e-6)

    def apart(i: int, j: int) -> Float[np.ndarray, "t"]:
        """Distance from the last person of row i to the present person of row j, in body sizes; infinite if none."""
        both = joints[i] & seen[j, 1:]
        far = np.linalg.norm(keypoint[j, 1:] - pose[i], axis=-1)
        mean = (far * both).sum(1) / np.maximum(both.sum(1), 1)
        return np.where(known[i] & there[j, 1:] & both.any(1), mean / size[i], np.inf)

    for j in range(people):
        own = np.minimum(apart(j, j), REACH) - STICKY
        if any((apart(i, j) < own).any() for i in range(people) if i != j):
            return False
    return True


def _boxes(pose: Float[np.ndarray, "*n V D"], joints: Bool[np.ndarray, "*n V"]) -> Float[np.ndarray, "*n"]:
    """The diagonal of the box around the joints that were seen."""
    low = np.where(joints[..., None], pose, np.inf).min(-2)
    high = np.where(joints[..., None], pose, -np.inf).max(-2)
    return np.linalg.norm(np.where(joints.any(-1)[..., None], high - low, 0), axis=-1)


# ---- the same while it happens: people keep their numbers from frame to frame ----------------------------------------


class Follower:
    """Gives each person of a frame a number, the same as in the frames before.

    gap: frames from one in which a person was seen to the next, from which on he or she is a new one.
    """

    def __init__(self, gap: int = LONGEST_GAP):
        self.gap, self.begun = gap, 0
        self._active: dict[int, _Track] = {}

    def follow(self, poses: Float[np.ndarray, "P V D"], frame: int) -> list[int | None]:
        """The number of each person, from 1 on; None for those who are not looked at. frame: above the last one."""
        poses = poses.astype(np.float64)
        seen = np.asarray(poses.any(-1))
        self._active = {number: track for number, track in self._active.items() if frame - track.last <= self.gap}
        there = _canonical(poses, seen.mean(1) if seen.size else np.zeros(len(seen)))
        for track in _continue(list(self._active.values()), poses, seen, there, frame):
            self.begun += 1
            self._active[self.begun] = track
        numbers: list[int | None] = [None] * len(poses)
        for number, track in self._active.items():
            if track.last == frame:
                numbers[track.row] = number
                track.at = {frame: track.row}  # earlier ones are not asked for
        return numbers

    def saved(self) -> dict[int, dict[str, np.ndarray]]:
        """What is known of each person, as arrays."""
        return {
            number: {
                "pose": track.pose, "velocity": track.velocity,
                "size": np.array([track.size]), "at": np.array([track.last, track.row]),
            }
            for number, track in self._active.items()
        }  # fmt: skip

    def restore(self, begun: int, people: Mapping[int, Mapping[str, np.ndarray]]) -> None:
        """Go on from what `saved` gave."""
        self.begun, self._active = begun, {}
        for number, state in people.items():
            pose, (last, row) = state["pose"], state["at"].tolist()
            self._active[number] = _Track(
                pose, np.asarray(pose.any(-1)), float(state["size"][0]), state["velocity"], {last: row}, last, row
            )
