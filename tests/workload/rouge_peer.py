#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`lsbench score` against the rouge-score package, on random texts of real words with many endings."""
import json, os, random, subprocess, sys, tempfile

try:
    from rouge_score import rouge_scorer
except ImportError:
    print("skipped: the Python package rouge-score is not installed")
    sys.exit(77)

METRICS = ["rouge1", "rouge2", "rougeL", "rougeLsum"]
STEMS = """operat relat condition ration valenc hesitanc digitiz conform radical differ vil analog vietnam predicat
    feudal decis hop call form sensit triplic electric good reviv allow infer airlin gyroscop adjust defens irrit
    replac depend adopt homolog commun activ angular effect bowdler prob rat ceas controll roll sky fl d ab y yy ay
    happ cr enjo agre feed plaster bled motor sing conflat troubl siz tann fall hiss fizz fail fil succeed proceed
    inn out cann how new dy ly ty psycholog apolog care hope use""".split()
ENDINGS = """ing ed s es ies ied y ational tional enci anci izer bli alli entli eli ousli ization ation ator alism
    iveness fulness ousness aliti iviti biliti fulli logi icate ative alize iciti ical ful ness al ance ence er ic
    able ible ant ement ment ent ion ou ism ate iti ous ive ize e ll""".split()


def text(rng):
    words = []
    for _ in range(rng.randint(0, 40)):
        word = rng.choice(STEMS) + (rng.choice(ENDINGS) if rng.random() < 0.8 else "")
        word = word.upper() if rng.random() < 0.05 else word
        words.append(word + rng.choice(["", "", "", ",", ".", "\n", "\n\n", "'s", "-x", "\u00e9", "\u212a", "\u0130", " 1984"]))
    return " ".join(words)


def main():
    rng = random.Random(7)
    scorer = rouge_scorer.RougeScorer(METRICS, use_stemmer=True)
    worst = 0.0
    for case in range(150):
        n = rng.choice([1, 1, 1, 5])
        pairs = [(text(rng), text(rng)) for _ in range(n)]
        # Half of the predictions share words with their references.
        pairs = [(r, " ".join(rng.sample(r.split(" "), len(r.split(" ")))) if rng.random() < 0.5 else p) for r, p in pairs]
        with tempfile.TemporaryDirectory() as folder:
            names = [os.path.join(folder, name) for name in ("ref.jsonl", "pred.jsonl")]
            for name, key, column in ((names[0], "reference", 0), (names[1], "prediction", 1)):
                with open(name, "w") as file:
                    for i, pair in enumerate(pairs):
                        file.write(json.dumps({"id": f"a{i}", key: pair[column]}) + "\n")
            out = json.loads(subprocess.run([sys.argv[1], "score", "--workload", "summarize", *names], check=True,
                                            capture_output=True, text=True).stdout)
        for metric in METRICS:
            wanted = sum(scorer.score(r, p)[metric].fmeasure for r, p in pairs) / n
            worst = max(worst, abs(out[metric] - wanted))
            if abs(out[metric] - wanted) > 1e-8:  # nine digits are printed
                sys.exit(f"{metric}: {out[metric]} here, {wanted} there, for {pairs!r}")
    print(f"150 cases equal, largest difference {worst:.1e}")


main()
