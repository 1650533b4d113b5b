"""OpenCV, imported when one of its functions is first used: systems on which it cannot be loaded can do the rest."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .errors import InstallationError

__all__ = ["cv2", "opencv_problem"]


class _OpenCV:
    """Has what the module cv2 has."""

    def __getattr__(self, name: str) -> Any:
        if problem := opencv_problem():
            raise InstallationError(problem)
        return getattr(import_module("cv2"), name)


def opencv_problem() -> str:
    """Why cv2 cannot be imported and what to do, in one sentence; empty where it can be."""
    try:
        import_module("cv2")
    except ImportError as error:
        return (
            f"OpenCV cannot be loaded ({error}): install the libraries that it needs (on Debian and Ubuntu: `apt "
            "install libgl1 libglib2.0-0`), or the OpenCV that needs none (`pip uninstall opencv-python`, then `pip "
            "install opencv-python-headless`)."
        )
    return ""


if TYPE_CHECKING:
    import cv2
else:
    cv2 = _OpenCV()
