try:
    import vae_course as vc
except ModuleNotFoundError as error:
    how = f"{error}: start the course with `make lab`; in Colab, open a copy made by `make colab`."
    raise ModuleNotFoundError(how) from None
vc.setup()
