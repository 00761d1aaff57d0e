// Platforms and the choice among an index's entries (containerd/platforms; `registry-and-engine.md` 2.2).
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cooper::oci {

/// os/architecture[/variant], normalised: x86_64 is amd64, aarch64 is arm64, arm without variant is v7, arm64 v8 has
/// none.
struct Platform {
    std::string os;
    std::string architecture;
    std::string variant;

    /// "linux/arm64/v8", "arm64" and "arm/v7" (linux assumed), "linux" (this machine's architecture). Throws
    /// Error{InvalidInput}.
    static Platform parse(std::string_view text);
    /// linux and this machine's architecture, whatever the host system is; never a CPU-dependent variant.
    static Platform host();
    [[nodiscard]] Platform normalised() const;
    [[nodiscard]] std::string text() const;
    bool operator==(const Platform&) const = default;
};

/// The platforms that satisfy `wanted`, best first: arm/v7 -> v7, v6, v5; amd64/v3 -> v3, v2, plain; plain amd64 ->
/// plain only.
std::vector<Platform> acceptable(const Platform& wanted);

}  // namespace cooper::oci
