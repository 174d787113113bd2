# The first cell of every lesson.
try:
    import vae_course as vc
except ModuleNotFoundError:
    message = "vae_course is not installed here: start the course with `make lab` (see the README)."
    raise ModuleNotFoundError(message) from None
vc.setup()
