# Two stages: what builds does not run. The image has no compiler, no pip cache and no root.
FROM python:3.12-slim-bookworm AS build
WORKDIR /src
# EXTRAS=research adds the formats HDF5, EDF+ and FHIR, and Dask.
ARG EXTRAS=
COPY requirements.lock requirements-research.lock pyproject.toml README.md LICENSE ./
RUN python -m venv /opt/trunkline \
 && /opt/trunkline/bin/pip install --no-cache-dir --require-hashes \
      -r requirements${EXTRAS:+-$EXTRAS}.lock
COPY firmware_profiles firmware_profiles
COPY wire wire
COPY sensor_agent sensor_agent
COPY analytics analytics
COPY trunkline trunkline
RUN /opt/trunkline/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.12-slim-bookworm
RUN useradd --create-home --uid 10001 trunkline && install -d -o trunkline /data /backup
COPY --from=build /opt/trunkline /opt/trunkline
ENV PATH=/opt/trunkline/bin:$PATH PYTHONUNBUFFERED=1
USER trunkline
VOLUME /data
ENTRYPOINT ["trunkline"]
CMD ["--help"]
