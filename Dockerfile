# The image: one static program, the certificate authorities, and what other packages bring as well.
#
#     docker build --build-arg REVISION="$(git rev-parse --short=12 HEAD)" -t axp-exporter .
#     docker run --rm -p 9955:9955 \
#         -v /srv/axp/etc:/etc/axp-exporter:ro \
#         -v /srv/axp/secrets:/run/secrets:ro \
#         -v axp-exporter:/var/lib/axp-exporter axp-exporter
#
# packaging/config.toml is a configuration to begin with; it expects /run/secrets/client_secret and
# /run/secrets/app_key. In Compose, Swarm and Kubernetes these are secrets mounted there. Without an
# account: docker run --rm --network host axp-exporter demo
#
# There is no HEALTHCHECK, as there is no shell and no curl to run one: let the orchestrator ask
# http://…:9955/-/healthy, and /-/ready for whether the feeds have caught up.
FROM docker.io/library/rust:1.95-alpine AS build
# ring is partly in C.
RUN apk add --no-cache musl-dev gcc ca-certificates
WORKDIR /src
COPY . .
# The history is not copied; see .dockerignore.
ARG REVISION=
ENV BUILD_REVISION=$REVISION \
    RUSTFLAGS="-C target-feature=+crt-static --remap-path-prefix=/usr/local/cargo=/cargo --remap-path-prefix=/src=/axp-exporter"
RUN cargo build --release --locked && \
    mkdir -p /image/usr/bin /image/etc/ssl/certs /image/run/secrets /image/usr/share/axp-exporter /state/axp-exporter && \
    strip -o /image/usr/bin/axp-exporter target/release/axp-exporter && \
    cp /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ && \
    cp -r dashboards rules packaging/config.toml /image/usr/share/axp-exporter/ && \
    for page in man bash zsh fish; do \
        target/release/axp-exporter generate $page > /image/usr/share/axp-exporter/axp-exporter.$page || exit 1; \
    done

FROM scratch
LABEL org.opencontainers.image.title="axp-exporter" \
      org.opencontainers.image.description="Avaya Experience Platform realtime measures as Prometheus gauges and Influx line protocol" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image/ /
COPY --from=build --chown=65532:65532 /state/ /var/lib/
# Nobody by name, as there is no /etc/passwd; a number is also what Kubernetes' runAsNonRoot asks for.
USER 65532:65532
# CREDENTIALS_DIRECTORY: where the names of secrets' files are looked up. Secrets that a runtime mounts
# there are readable by all inside, which would be refused elsewhere.
# STATE_DIRECTORY: where subscriptions are kept in mind; without a volume, until the container goes.
# From the outside a port of the container's loopback cannot be reached, whatever the file says.
ENV CREDENTIALS_DIRECTORY=/run/secrets \
    STATE_DIRECTORY=/var/lib/axp-exporter \
    AXP_EXPORTER_WEB__LISTEN=:9955
EXPOSE 9955
VOLUME ["/var/lib/axp-exporter"]
# SIGTERM, Docker's own, ends subscriptions and writes the last lines, which may take 13 seconds where
# servers hang: docker run --stop-timeout 20.
ENTRYPOINT ["/usr/bin/axp-exporter"]
CMD ["run"]
