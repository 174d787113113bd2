"""What a notebook needs besides the mathematics. In lessons: `from vae_course import lesson`."""

from vae_course.lesson.claims import claims
from vae_course.lesson.exercises import check
from vae_course.lesson.keys import keys
from vae_course.lesson.machine import setup
from vae_course.lesson.plotting import show
from vae_course.lesson.recorded import recorded

__all__ = ["check", "claims", "keys", "recorded", "setup", "show"]
