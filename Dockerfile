# The dashboard with its embedded Triton, in one image:
#
#   docker build -t digit-ops .
#   docker run --rm -p 127.0.0.1:8501:8501 -v digits:/data digit-ops     then open http://127.0.0.1:8501
#
# Publish the port on loopback, as above: whoever reaches it may train and promote. State is in the volume, so a new
# container finds the jobs, models and endpoints of the last one. Works on x86-64 and arm64.

# Tag for people, digest (of the index, all architectures) for builds that repeat: change both together.
ARG PYTHON_IMAGE=python:3.12.15-slim-bookworm@sha256:34386ef0cb081344d7ec1c103ba398e6e9f64e9ab3a1509accc92a4e24a07258

FROM ${PYTHON_IMAGE} AS build
# Environments hold absolute paths: they are made where they are used. NumPy below 2, which Triton's Python stub needs,
# has no wheel for 3.13; this base is 3.12 with its shared libpython, so it serves both environments.
WORKDIR /opt/digits
ENV UV_NO_CACHE=1 PIP_NO_CACHE_DIR=1 UV_PYTHON_DOWNLOADS=never
COPY requirements.txt requirements-serving.txt ./
COPY .ci/setup.py .ci/setup.py
# The same set-up as `make run`. `test -f`: on a host where Triton cannot run it would be left out with a message only.
RUN python .ci/setup.py run && test -f .venv-serving/.made-from \
    && .venv/bin/python -m pip uninstall --quiet --yes uv && rm .setup.lock
COPY .streamlit .streamlit
COPY backend backend
COPY app app
COPY models models
COPY pages pages
RUN python -m compileall -q --invalidation-mode unchecked-hash backend app pages

FROM ${PYTHON_IMAGE}
# An init: job and endpoint runners outlive the process that starts them, and somebody has to reap them.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home digits \
    && install --directory --owner=digits --group=digits --mode=0700 /data
# Owned by root: nothing that runs in the container can change what it runs.
COPY --from=build /opt/digits /opt/digits
WORKDIR /opt/digits
# The second address is the browser's: without it Streamlit asks a server on the internet what this machine's is.
ENV DIGITS_HOME=/data \
    DIGITS_PORT=8501 \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_BROWSER_SERVER_ADDRESS=127.0.0.1 \
    PYTHONUNBUFFERED=1
USER 10001
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD [".venv/bin/python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"DIGITS_PORT\"]}/_stcore/health', timeout=4)"]
ENTRYPOINT ["tini", "--"]
CMD [".venv/bin/python", "-m", "app"]
