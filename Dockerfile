# One file, three images. All run as nobody in particular, on a root that may be read-only:
#
#   docker build -t digit-ops .                      the dashboard with its embedded Triton (the default target)
#   docker build -t digit-ops-lab --target lab .     Jupyter Lab on notebooks/, over the dashboard's services
#   docker build -t digit-trainer --target trainer . what one training needs, no more
#
#   docker run --rm -p 127.0.0.1:8501:8501 -v digits:/data digit-ops     then open http://127.0.0.1:8501
#
# `docker compose up --build` starts the first two with a Triton of NVIDIA's for each stage. Publish ports on loopback,
# as above: whoever reaches one may train and promote. State is in the volume, so a new container finds the jobs, models
# and endpoints of the last one. Works on x86-64 and arm64.

# Tag for people, digest (of the index, all architectures) for builds that repeat: change both together.
ARG PYTHON_IMAGE=python:3.12.15-slim-bookworm@sha256:34386ef0cb081344d7ec1c103ba398e6e9f64e9ab3a1509accc92a4e24a07258

FROM ${PYTHON_IMAGE} AS environments
# Environments hold absolute paths: they are made where they are used. NumPy below 2, which Triton's Python stub needs,
# has no wheel for 3.13; this base is 3.12 with its shared libpython, so it serves both environments.
WORKDIR /opt/digits
ENV UV_NO_CACHE=1 PIP_NO_CACHE_DIR=1 UV_PYTHON_DOWNLOADS=never
COPY requirements.txt requirements-serving.txt ./
COPY .ci/setup.py .ci/setup.py
# The same set-up as `make run`. `test -f`: on a host where Triton cannot run it would be left out with a message only.
RUN python .ci/setup.py run && test -f .venv-serving/.made-from \
    && .venv/bin/python -m pip uninstall --quiet --yes uv && rm .setup.lock

FROM environments AS lab-environments
COPY requirements-lab.txt ./
RUN .venv/bin/python -m pip install --quiet -r requirements-lab.txt

FROM ${PYTHON_IMAGE} AS trainer-environment
WORKDIR /opt/digits
ENV PIP_NO_CACHE_DIR=1
COPY requirements.txt ./
COPY backend/digits/requirements.txt backend/digits/requirements.txt
RUN python -m venv .venv \
    && .venv/bin/python -m pip install --quiet -c requirements.txt -r backend/digits/requirements.txt

FROM ${PYTHON_IMAGE} AS code
WORKDIR /opt/digits
COPY .streamlit .streamlit
COPY backend backend
COPY app app
COPY models models
COPY pages pages
# By content, not by time: what is copied from here on has other times.
RUN python -m compileall -q --invalidation-mode unchecked-hash backend app pages

FROM ${PYTHON_IMAGE} AS runtime
# An init: job and endpoint runners outlive the process that starts them, and somebody has to reap them. Folders belong
# to group 0, of which every user of these images is: `--user 1000:0` writes to them as well.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends tini \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --gid 0 --no-create-home --home-dir /data/home digits \
    && install --directory --owner=digits --group=0 --mode=2770 /data /data/home /opt/ml /opt/ml/checkpoints \
    && install --directory --owner=digits --group=0 --mode=2775 /models /models/staging /models/prod
WORKDIR /opt/digits
ENV PATH=/opt/digits/.venv/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    TINI_SUBREAPER=1
ENTRYPOINT ["tini", "--"]
USER 10001:0

FROM runtime AS trainer
# A training as SageMaker runs it: channels, model and checkpoints under /opt/ml.
#   docker run --rm --read-only --tmpfs /tmp -v training:/opt/ml digit-trainer --epochs 2
COPY --from=trainer-environment /opt/digits/.venv .venv
COPY --from=code /opt/digits/backend/digits backend/digits
COPY --from=code /opt/digits/backend/__init__.py backend/__init__.py
COPY --from=code /opt/digits/backend/__pycache__/__init__.*.pyc backend/__pycache__/
ENV HOME=/tmp \
    SM_MODEL_DIR=/opt/ml/model \
    SM_OUTPUT_DIR=/opt/ml/output \
    SM_OUTPUT_DATA_DIR=/opt/ml/output/data
VOLUME /opt/ml
ENTRYPOINT ["tini", "--", "python", "-m", "backend.digits.train"]

FROM runtime AS lab
# Jupyter prints its address, with the token that opens it, to the log.
COPY --from=lab-environments /opt/digits/.venv .venv
COPY --from=lab-environments /opt/digits/.venv-serving .venv-serving
COPY --from=code /opt/digits ./
COPY notebooks notebooks
ENV DIGITS_HOME=/data \
    HOME=/data/home
VOLUME /data
EXPOSE 8888
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8888/api', timeout=4)"]
CMD ["jupyter", "lab", "--ip=0.0.0.0", "--port=8888", "--no-browser", "--ServerApp.root_dir=/opt/digits/notebooks"]

FROM runtime AS dashboard
# Owned by root: nothing that runs in the container can change what it runs.
COPY --from=environments /opt/digits/.venv .venv
COPY --from=environments /opt/digits/.venv-serving .venv-serving
COPY --from=code /opt/digits ./
# The second address is the browser's: without it Streamlit asks a server on the internet what this machine's is.
ENV DIGITS_HOME=/data \
    DIGITS_PORT=8501 \
    HOME=/data/home \
    STREAMLIT_SERVER_ADDRESS=0.0.0.0 \
    STREAMLIT_BROWSER_SERVER_ADDRESS=127.0.0.1
VOLUME /data
EXPOSE 8501
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as r; r.urlopen(f'http://127.0.0.1:{os.environ[\"DIGITS_PORT\"]}/_stcore/health', timeout=4)"]
CMD ["python", "-m", "app"]
