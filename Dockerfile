# The suite as an image: `tsse-validate` with the embedded stack, as a user who is not root. docs/RECIPES.md has its use.
#   docker build --build-arg UID=$(id -u) -t tsse-validation .
# BASE is any image with Python 3.11 or newer and venv; one that has the requirements in /opt/tsse needs no network.
ARG BASE=python:3.11-slim
FROM ${BASE}
ENV PATH=/opt/tsse/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 TSSE_REPORT_DIR=/reports
ENTRYPOINT ["tsse-validate"]
CMD ["run"]
COPY . /opt/tsse-validation
# Who runs it must own what is mounted at /reports. PostgreSQL refuses root, and wants a user with a name. One step, for
# some of Docker's storage drivers take minutes for each.
ARG UID=1000
RUN useradd --create-home --uid "${UID}" tsse \
 && install -d -o tsse /reports /home/tsse/.cache/tsse-validation \
 && python3 -m venv /opt/tsse \
 && pip install --disable-pip-version-check --no-cache-dir 'hatchling>=1.26' \
 && pip install --disable-pip-version-check --no-cache-dir --no-build-isolation '/opt/tsse-validation[stack]'
VOLUME /reports
USER tsse
WORKDIR /home/tsse
