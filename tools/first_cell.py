try:
    import vae_course as vc
except ModuleNotFoundError as missing:
    how = f"{missing}: start with `make lab`; in Colab, open a copy that `make colab` made."
    raise ModuleNotFoundError(how) from None
vc.setup()
