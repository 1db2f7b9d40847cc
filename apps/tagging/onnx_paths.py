"""Labels of the scores of a tagger: its conditional random field in numpy."""

import numpy as np


def best_path(scores, settings):
    """Return the best labels `(words,)` of scores `(words, labels)`."""
    start, transitions, end = weights(settings)
    best, came_from = start + scores[0], []
    for score in scores[1:]:
        ways = best[:, None] + transitions  # from, to
        came_from.append(ways.argmax(axis=0))
        best = ways.max(axis=0) + score
    path = [int((best + end).argmax())]
    for before in reversed(came_from):
        path.append(int(before[path[-1]]))
    return path[::-1]


def probabilities(scores, settings):
    """Return the probability of each label at each word."""
    start, transitions, end = weights(settings)
    ahead, back = [start + scores[0]], [end]
    for score in scores[1:]:
        ways = ahead[-1][:, None] + transitions
        ahead.append(np.logaddexp.reduce(ways, axis=0) + score)
    for score in scores[:0:-1]:
        ways = transitions + score + back[-1]
        back.append(np.logaddexp.reduce(ways, axis=1))
    logs = np.array(ahead) + np.array(back[::-1])
    return np.exp(logs - np.logaddexp.reduce(logs, axis=1, keepdims=True))


def weights(settings):
    """Return what begins, what follows what, and what ends."""
    names = "start", "transitions", "end"
    return [np.array(settings[name], float) for name in names]
