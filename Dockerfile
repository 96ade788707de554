# syntax=docker/dockerfile:1

FROM rust:1-slim-bookworm AS build
# What the allocator is built with.
RUN apt-get update && apt-get install -y --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
# The caches outlive the layer, so that a change of the sources compiles only what it touches.
RUN --mount=type=cache,target=/usr/local/cargo/registry --mount=type=cache,target=/build/target \
    cargo build --locked --release --bin zoogate && cp target/release/zoogate /zoogate

FROM debian:bookworm-slim
LABEL org.opencontainers.image.title="zoogate" \
      org.opencontainers.image.description="A registry gateway in front of ZooKeeper for MOSN sidecars, ServiceComb applications and Dubbo" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /zoogate /usr/local/bin/zoogate
USER 10001:10001
# In a container loopback reaches nobody; who may reach these ports is the network's decision.
ENV ZOOGATE__HTTP__LISTEN=0.0.0.0:30100,0.0.0.0:12181 \
    ZOOGATE__OPS__LISTEN=0.0.0.0:30101
EXPOSE 30100 12181 30101
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=3 CMD ["zoogate", "healthcheck"]
# SIGTERM ends it gracefully: it takes its leave from ZooKeeper, and nothing that is registered is lost.
STOPSIGNAL SIGTERM
ENTRYPOINT ["zoogate"]
CMD ["serve"]
