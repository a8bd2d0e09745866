# The first stage only builds: compiler, pip cache and sources do not reach the image.
FROM python:3.13-slim AS build
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY mock_atoms mock_atoms
# Compiles byte code now, since the container may run with a read-only file system.
RUN python3 -m venv --without-pip /opt/mock-atoms \
    && python3 -m pip --python /opt/mock-atoms/bin/python3 install --no-cache-dir --compile ".[redis,reload,tls]"

FROM python:3.13-slim
LABEL org.opencontainers.image.title="mock-atoms" \
      org.opencontainers.image.description="A local mock server of the Atoms audience API" \
      org.opencontainers.image.licenses="MIT" \
      org.opencontainers.image.version="0.1.0"
COPY --from=build /opt/mock-atoms /opt/mock-atoms
# The user below must be able to read them, regardless of their modes in the checkout.
COPY --chmod=755 fixtures /fixtures
RUN mkdir --mode=755 --parents /stubs/mappings /stubs/__files
ENV PATH=/opt/mock-atoms/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MOCK_ATOMS_HOST=:: \
    MOCK_ATOMS_ADMIN=true \
    MOCK_ATOMS_FIXTURES=/fixtures \
    MOCK_ATOMS_STUBS=/stubs
USER 10001:10001
EXPOSE 28667
HEALTHCHECK --interval=10s --timeout=5s --start-period=15s --start-interval=500ms --retries=3 \
    CMD ["mock-atoms", "healthcheck"]
ENTRYPOINT ["mock-atoms"]
CMD ["serve"]
