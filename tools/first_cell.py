try:
    import vae_course as vc
except ModuleNotFoundError:
    how = "Start the course with `make lab`; in Colab, open a copy that `make colab` made."
    raise ModuleNotFoundError(how) from None
vc.setup()
