"""What examiners share: compare an answer with the right one and with known mistakes."""

from collections.abc import Mapping

import numpy as np


def diagnose(
    answer, right, mistakes: Mapping[str, np.ndarray], *, rtol: float = 1e-3, atol: float = 1e-3
) -> str | None:
    """None if `answer` is right, else the message of the mistake it looks like.

    Args:
        answer: what the learner's function returned; right: an array or number.
        mistakes: message -> what somebody who makes this mistake would return.
        rtol, atol: relative and absolute tolerance, as in np.allclose.
    """
    answer, right = np.asarray(answer), np.asarray(right)
    if answer.shape != right.shape:
        return f"The answer has shape {right.shape}; yours has shape {answer.shape}."

    def is_close(value):
        return np.allclose(answer, value, rtol=rtol, atol=atol)

    if is_close(right):
        return None
    for message, value in mistakes.items():
        if is_close(value):
            return message
    if right.shape == ():
        return f"The answer is {right:.4f}; you return {answer:.4f}."
    return f"The largest difference from the exact answer is {np.abs(answer - right).max():.3g}."
