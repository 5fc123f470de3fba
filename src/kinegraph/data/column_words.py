"""Names of columns in other languages than English, for tables of recordings, of labels and of segments.

In this order: German, French, Spanish, Italian, Portuguese, Dutch, Polish, Russian, Turkish, Chinese, Japanese, Korean.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import lru_cache

ACCENTS = re.compile("[\u0300-\u036f]")  # of Latin, Greek and Cyrillic; not the marks that are letters in Japanese
LETTERS = str.maketrans({"ß": "ss", "ı": "i", "ł": "l", "ø": "o"})


@lru_cache(maxsize=1 << 14)
def plain_word(name: str) -> str:
    """A name of a column in lower case, without accents, with _ between words."""
    plain = ACCENTS.sub("", unicodedata.normalize("NFKD", name.strip().lower())).translate(LETTERS)
    return re.sub(r"[\s-]+", "_", unicodedata.normalize("NFC", plain))


def _plain(words: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    return {column: tuple(dict.fromkeys(map(plain_word, text.split()))) for column, text in words.items()}


WORDS = _plain({
    "label": """klasse übung uebung bewegung verhalten handlung aktion aktivität kategorie gebärde
        classe exercice mouvement geste comportement étiquette activité catégorie signe
        clase ejercicio movimiento gesto comportamiento acción etiqueta actividad categoría seña
        azione etichetta esercizio movimento attività categoria segno ação rótulo exercício atividade sinal
        oefening beweging activiteit gebaar klasa etykieta ćwiczenie ruch czynność класс метка действие упражнение
        движение жест sınıf etiket hareket egzersiz eylem 动作 标签 类别 行为 手势 動作 ラベル 行動 クラス
        라벨 레이블 클래스 동작 행동""",
    "clip": """aufnahme datei dateiname videodatei enregistrement fichier nom_fichier nom_du_fichier
        archivo grabación fichero nombre_archivo registrazione nome_file arquivo gravação nome_arquivo
        bestand bestandsnaam opname plik nazwa_pliku nagranie файл имя_файла запись видео dosya dosya_adı kayıt
        视频 文件 文件名 样本 動画 ファイル ファイル名 파일 파일명 영상 비디오""",
    "subject": """proband probandin versuchsperson teilnehmer teilnehmerin patientin sujet participante
        sujeto paciente soggetto partecipante paziente sujeito proefpersoon deelnemer
        uczestnik badany pacjent испытуемый участник пациент субъект katılımcı denek hasta
        受试者 被试 参与者 患者 被験者 参加者 피험자 참가자 환자""",
    "trial": """versuch durchgang wiederholung essai répétition ensayo repetición intento prova ripetizione
        tentativa repetição poging herhaling próba powtórzenie попытка повтор deneme tekrar 试次 次数 試行 시행""",
    "frame": """bild bildnummer trame fotograma cuadro fotogramma quadro klatka кадр kare 帧 帧号 フレーム 프레임""",
    "time": """zeit zeitstempel temps tiempo tempo tijd czas время zaman 时间 時間 시간""",
    "joint": """gelenk gelenkpunkt articulation articulación articolazione giunto articulação gewricht staw сустав
        eklem 关节 关键点 関節 관절""",
})  # fmt: skip
