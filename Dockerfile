# colormnet in a container, for CPUs:
#
#     docker build -t colormnet .
#     docker run --rm --user "$(id -u):$(id -g)" -v "$PWD:/films" -v colormnet-cache:/cache \
#         colormnet colorize old.mp4 --ref photo.jpg -o out.mp4
#
# For NVIDIA GPUs (needs the NVIDIA Container Toolkit): docker build --build-arg DEVICE=cuda -t colormnet:cuda .
# and docker run --gpus all … colormnet:cuda …
FROM python:3.12-slim

ARG DEVICE=cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PYTHONDONTWRITEBYTECODE=1

# PyTorch before the rest, so that a change of the code does not install it again. PyPI has the build for CUDA.
RUN case "$DEVICE" in \
        cpu) pip install --index-url https://download.pytorch.org/whl/cpu torch torchvision ;; \
        cuda) pip install torch torchvision ;; \
        *) echo "DEVICE is $DEVICE: give cpu or cuda" >&2; exit 1 ;; \
    esac

# The headless OpenCV needs no libGL, which slim images lack.
WORKDIR /src
COPY pyproject.toml README.md LICENSE weights.lock ./
COPY colormnet_cli colormnet_cli
RUN pip install . \
    && pip uninstall --yes opencv-python \
    && pip install opencv-python-headless \
    && rm -r /src/*

# Downloaded weights go to /cache: keep it in a volume. Any user may write there, for --user.
RUN useradd --uid 1000 --create-home colormnet \
    && mkdir --mode 1777 /cache /films
ENV HF_HOME=/cache/huggingface XDG_CACHE_HOME=/cache XDG_CONFIG_HOME=/cache/config
USER colormnet
WORKDIR /films
ENTRYPOINT ["colormnet"]
CMD ["--help"]
