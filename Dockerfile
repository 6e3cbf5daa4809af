# Earmark's server. No weights are baked in: they are fetched at the first start into the volume,
# or come with a folder that `earmark models pull` has filled.
FROM python:3.13-slim AS build
WORKDIR /src
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m venv /opt/earmark \
 && /opt/earmark/bin/pip install --no-cache-dir --only-binary :all: --require-hashes \
      -r requirements/build.txt -r requirements/runtime.txt
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src src
RUN /opt/earmark/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
COPY --from=build /opt/earmark /opt/earmark
RUN useradd --system --uid 10001 --home-dir /var/lib/earmark --create-home earmark
USER earmark
ENV PATH=/opt/earmark/bin:$PATH \
    EARMARK_HOST=0.0.0.0 \
    EARMARK_DATA_DIR=/var/lib/earmark/data \
    EARMARK_MODELS_DIR=/var/lib/earmark/models \
    EARMARK_LOG_FORMAT=json
# The keyring is on the volume too, apart from the data: /var/lib/earmark/data.keyring.
VOLUME /var/lib/earmark
EXPOSE 8000 50051
HEALTHCHECK --interval=15s --timeout=5s --start-period=300s \
  CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/readyz', timeout=4)"]
STOPSIGNAL SIGTERM
ENTRYPOINT ["earmark"]
CMD ["serve"]
