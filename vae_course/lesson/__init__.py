"""What a notebook needs besides the mathematics. In lessons: `from vae_course import lesson`."""

from vae_course.lesson.keys import keys

__all__ = ["keys"]
