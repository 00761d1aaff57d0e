#include "build/context/agent_server.hpp"

namespace cooper::build {

// The classic builder must understand it: no heredocs, no --mount. The SDK's requirements name git repositories, so git
// is needed in any case; "minimal" leaves out what agents work with and the server does not need to start. "source"
// installs in development mode: /app is what runs.
const std::string_view kAgentServerTemplate = R"(
{%- set editable = target in ['source', 'source-minimal'] -%}
{%- set minimal = target in ['binary-minimal', 'source-minimal'] -%}
# OpenHands agent server, target {{ target }}
FROM {{ base_image }} AS app
WORKDIR /app
{%- if build_from_lock %}
# The base image has all dependencies, and an older state of the sources.
RUN rm -rf /app/openhands
{%- else %}
RUN missing=""; \
    for tool in git{{ '' if minimal else ' curl jq tmux' }}; do \
        command -v "$tool" >/dev/null || missing="$missing $tool"; \
    done; \
    if [ -n "$missing" ] && command -v apt-get >/dev/null; then \
        apt-get update \
        && apt-get install -y --no-install-recommends ca-certificates $missing \
        && rm -rf /var/lib/apt/lists/*; \
    fi
{%- endif %}
COPY . .
EXPOSE 8000

FROM app AS {{ target }}
{%- for package in packages %}
RUN pip install --no-cache-dir {{ '--no-deps ' if build_from_lock }}{{ '-e ' if editable }}./{{ package }}
{%- endfor %}
CMD ["python", "-m", "{{ module }}"{{ ', "' ~ development_flag ~ '"' if editable }}]
)";

}  // namespace cooper::build
