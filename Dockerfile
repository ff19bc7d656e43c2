FROM python:3.12-slim-bookworm

RUN useradd --create-home --uid 10001 trunkline && install -d -o trunkline /data
WORKDIR /app
COPY requirements.lock pyproject.toml README.md LICENSE ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY firmware_profiles firmware_profiles
COPY wire wire
COPY sensor_agent sensor_agent
COPY analytics analytics
COPY trunkline trunkline
RUN pip install --no-cache-dir --no-deps --no-build-isolation .

USER trunkline
VOLUME /data
ENTRYPOINT ["trunkline"]
CMD ["--help"]
