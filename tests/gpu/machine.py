"""What the machine is: versions, GPUs, and what the driver says of them. Prints JSON, also without a GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import torch

from colormnet_cli.film.receipt import versions
from colormnet_cli.inference.device import list_devices


def machine() -> dict[str, Any]:
    gpus = [device for device in list_devices() if device.type == "cuda"]
    return {
        **versions(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if gpus else None,
        "nccl": ".".join(map(str, torch.cuda.nccl.version())) if gpus else None,
        "built_for": torch.cuda.get_arch_list() if gpus else [],
        "gpus": [str(torch.cuda.get_device_properties(gpu)) for gpu in gpus],
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "nvidia_smi": _said(["nvidia-smi"]),
        "torch_build": torch.__config__.show(),
    }


def _said(command: list[str]) -> list[str] | str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return (done.stdout + done.stderr).splitlines()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(machine(), indent=2))
