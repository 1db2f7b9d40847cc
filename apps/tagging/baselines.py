"""What is easy: the most frequent label of a word, and logistic regression.

In a parse the label of a word is its relation and how far away its head is.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from data_pipelines import tagging as pipeline

BASELINES = {
    "most_frequent": "each word has the label that it mostly has in train",
    "logistic_regression": "on the word, its ends, and those beside it",
}

# The regression learns from no more words, and tells no more labels apart.
MOST_WORDS = 100_000
MOST_LABELS = 150


def predictions(data: pipeline.Datasets) -> dict[str, list[list[str]]]:
    """Return the labels that each baseline gives the words of test.

    In a parse they are of the form "relation distance"; see `labels`.
    """
    train = [(s.words, labels(s)) for s in data.train.sentences]
    test = [s.words for s in data.test.sentences]
    return {
        "most_frequent": _most_frequent(train, test),
        "logistic_regression": _regression(train, test),
    }


def most_frequent_pos(data: pipeline.Datasets) -> list[list[str]]:
    """Return the part of speech that each word of test mostly has."""
    train = [(s.words, s.columns["tag"]) for s in data.train.sentences]
    return _most_frequent(train, [s.words for s in data.test.sentences])


def labels(sentence: pipeline.Sentence) -> list[str]:
    """Return tags, or relations with the distances of heads."""
    if not sentence.heads:
        return sentence.tags
    return [
        f"{relation} {head - place if head else 0}"
        for place, (relation, head) in enumerate(
            zip(sentence.tags, sentence.heads, strict=True), 1
        )
    ]


def parse(labels: Sequence[str]) -> tuple[list[int], list[str]]:
    """Return heads and relations of such labels; what leads out is the root."""
    heads, relations = [], []
    for place, label in enumerate(labels, 1):
        relation, distance = label.rsplit(" ", 1)
        head = place + int(distance) if int(distance) else 0
        heads.append(head if 0 <= head <= len(labels) else 0)
        relations.append(relation)
    return heads, relations


def intents(data: pipeline.Datasets) -> dict[str, float]:
    """Return the accuracy of both baselines in telling intents."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    train, test = data.train.sentences, data.test.sentences

    def right(guesses):
        pairs = zip(test, guesses, strict=True)
        return float(np.mean([guess in s.intents for s, guess in pairs]))

    known = [s.intent for s in train]
    frequent = Counter(known).most_common(1)[0][0]
    accuracy = {"most_frequent": right([frequent] * len(test))}
    if len(set(known)) > 1:
        vectorizer = TfidfVectorizer(analyzer=list)
        regression = LogisticRegression(max_iter=1000)
        words = vectorizer.fit_transform([s.words for s in train])
        regression.fit(words, known)
        accuracy["logistic_regression"] = right(
            regression.predict(vectorizer.transform([s.words for s in test]))
        )
    return accuracy


def _most_frequent(train, test):
    counts = defaultdict(Counter)
    every = Counter()
    for words, tags in train:
        every.update(tags)
        for word, tag in zip(words, tags, strict=True):
            counts[word.lower()][tag] += 1
    best = {word: own.most_common(1)[0][0] for word, own in counts.items()}
    unknown = every.most_common(1)[0][0]
    return [[best.get(w.lower(), unknown) for w in words] for words in test]


def _regression(train, test):
    """Return what a logistic regression says, trained word by word."""
    from sklearn.feature_extraction import FeatureHasher
    from sklearn.linear_model import SGDClassifier

    order = np.random.default_rng(0).permutation(len(train))
    rows, tags, common = [], [], _common(train)
    for row in order:
        words, own = train[row]
        for place, tag in enumerate(own):
            if tag in common:
                rows.append(list(_features(words, place)))
                tags.append(tag)
        if len(tags) >= MOST_WORDS:
            break
    if len(set(tags)) < 2:
        return [[tags[0]] * len(words) for words in test]
    hasher = FeatureHasher(2**18, input_type="string", alternate_sign=False)
    regression = SGDClassifier(
        "log_loss", alpha=1e-6, max_iter=5, tol=None, random_state=0
    )
    regression.fit(hasher.transform(rows), tags)
    every = [
        list(_features(words, place))
        for words in test
        for place in range(len(words))
    ]
    guesses = iter(regression.predict(hasher.transform(every)).tolist())
    return [[next(guesses) for _ in words] for words in test]


def _common(train):
    counts = Counter(tag for _, tags in train for tag in tags)
    return {tag for tag, _ in counts.most_common(MOST_LABELS)}


def _features(words: Sequence[str], place: int) -> Iterator[str]:
    """Yield what the regression sees of a word and of those beside it."""
    word = words[place]
    for distance in (-2, -1, 0, 1, 2):
        near = place + distance
        inside = 0 <= near < len(words)
        yield f"{distance} {words[near].lower() if inside else ''}"
    for size in (1, 2, 3):
        yield f"end {word[-size:].lower()}"
        yield f"start {word[:size].lower()}"
    yield f"case {word[:1].isupper()} {word.isupper()} {place == 0}"
    yield f"digit {any(map(str.isdigit, word))} {word.isalnum()}"
