"""`python -m rime_app` is `rime`."""

from rime_app.main import main

if __name__ == "__main__":
    main()
