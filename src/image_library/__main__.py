"""``python -m image_library`` is ``limiquantix``."""

from image_library.cli.__main__ import main

if __name__ == "__main__":
    main()
