# The suite as an image: `tsse-validate` with the embedded stack, as a user who is not root. docs/RECIPES.md has its use.
#   docker build --build-arg UID=$(id -u) -t tsse-validation .
# BASE is any image with Python 3.11 or newer and venv; one that has the requirements in /opt/tsse needs no network.
ARG BASE=python:3.11-slim
FROM ${BASE}
ENV PATH=/opt/tsse/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
COPY . /opt/tsse-validation
RUN python3 -m venv /opt/tsse \
 && pip install --disable-pip-version-check --no-cache-dir 'hatchling>=1.26' \
 && pip install --disable-pip-version-check --no-cache-dir --no-build-isolation '/opt/tsse-validation[stack]'
# Who runs it must own what is mounted at /reports. PostgreSQL refuses root, and wants a user with a name.
ARG UID=1000
RUN useradd --create-home --uid "${UID}" tsse \
 && install -d -o tsse /reports /home/tsse/.cache/tsse-validation
ENV TSSE_REPORT_DIR=/reports
VOLUME /reports
USER tsse
WORKDIR /home/tsse
ENTRYPOINT ["tsse-validate"]
CMD ["run"]
