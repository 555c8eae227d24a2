# syntax=docker/dockerfile:1
# The pixio-hf command in an image, for a CPU or an NVIDIA GPU; nothing is downloaded when it runs but what you ask for.
#
#   docker build -t pixio-hf .                                     CPU
#   docker build -t pixio-hf:cuda --build-arg BACKEND=cu128 .      GPU; run it with --gpus all
#   docker run --rm -v "$PWD:/work" pixio-hf depth photo.jpg --out depth
#
# BACKEND is uv's --torch-backend. EXTRAS are those of pyproject.toml.
ARG PYTHON=3.12

FROM python:${PYTHON}-slim AS build
ARG BACKEND=cpu
ARG EXTRAS=demo,3d,video,heic
WORKDIR /source
RUN pip install --no-cache-dir "uv>=0.8,<1"
COPY pyproject.toml requirements.lock README.md LICENSE ./
COPY src src
RUN uv build --wheel --out-dir /wheels \
    && uv venv /opt/pixio-hf \
    && uv pip install --no-cache --python /opt/pixio-hf/bin/python --torch-backend "${BACKEND}" \
        --constraints requirements.lock "$(ls /wheels/*.whl)[${EXTRAS}]"

FROM python:${PYTHON}-slim
# Results belong to this user: add --user "$(id -u):$(id -g)" where the mounted folder is yours alone.
RUN useradd --create-home --uid 1000 pixio
COPY --from=build /opt/pixio-hf /opt/pixio-hf
ENV PATH=/opt/pixio-hf/bin:$PATH HF_HOME=/home/pixio/.cache/huggingface
USER 1000
WORKDIR /work
ENTRYPOINT ["pixio-hf"]
CMD ["--help"]
