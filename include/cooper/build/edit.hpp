// Edits are values: a new image from an old one. Of config and manifest, what is not edited keeps every byte: unknown
// members, their order and how numbers are spelt.
#pragma once

#include "cooper/build/layer.hpp"
#include "cooper/oci/image.hpp"
#include "cooper/oci/platform.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::build {

/// A health check's parts; those that are absent stay as the image has them.
struct HealthcheckEdit {
    /// "NONE", or "CMD" and words, or "CMD-SHELL" and one text; empty: the parent image's, as the image specification
    /// says it.
    std::optional<std::vector<std::string>> test;
    std::optional<std::chrono::nanoseconds> interval;  ///< 0 or at least 1 ms, like the others
    std::optional<std::chrono::nanoseconds> timeout;
    std::optional<std::chrono::nanoseconds> start_period;
    std::optional<std::chrono::nanoseconds> start_interval;
    std::optional<std::uint32_t> retries;

    bool operator==(const HealthcheckEdit&) const = default;
};

/// What to change in the config. Empty optionals leave things as they are; removals come before additions.
struct ConfigEdit {
    std::vector<std::pair<std::string, std::string>> env;  ///< set or replaced, order kept
    std::optional<std::vector<std::string>> entrypoint;    ///< resets cmd unless that is given too, as docker does
    std::optional<std::vector<std::string>> cmd;
    std::optional<std::string> workdir;  ///< absolute; "" takes it away, as it does for the other texts
    std::optional<std::string> user;
    std::vector<std::pair<std::string, std::string>> labels;
    std::vector<std::string> ports;    ///< as parse_ports() takes them
    std::vector<std::string> volumes;  ///< absolute paths
    std::optional<std::string> stop_signal;
    std::optional<HealthcheckEdit> healthcheck;
    std::optional<std::string> author;

    std::vector<std::string> unset_env;  ///< names; one that is not there is no error, here and below
    std::vector<std::string> unset_labels;
    std::vector<std::string> unset_ports;
    std::vector<std::string> unset_volumes;
    bool reset_entrypoint = false;  ///< none at all; leaves cmd alone
    bool reset_cmd = false;
    bool reset_healthcheck = false;

    /// Of the image and its new history. nullopt: append() writes `edit_time`, edit_config() leaves the image's as it
    /// is.
    std::optional<TimePoint> created;
    /// Of new history entries when `created` does not say it; nullopt: 1970-01-01.
    std::optional<TimePoint> edit_time;
};

/// "80", "80/udp", "8000-8010/tcp" in EXPOSE's language (a host part before it is dropped, as docker does) as
/// "PORT/PROTOCOL"; throws Error{InvalidInput}.
std::vector<std::string> parse_ports(std::string_view text);

/// Go's durations, which HEALTHCHECK speaks: "30s", "1m30s", "1.5h", "500ms", "0". Throws Error{InvalidInput}.
std::chrono::nanoseconds parse_go_duration(std::string_view text);

/// An image without layers for `platform`.
oci::Image scratch_image(const oci::Platform& platform);

/// `base` with `layers` on top and `edit` applied: an OCI manifest, blobs of the base plus the layers' files (which
/// must outlive the image). History gets one entry per layer, and one empty_layer entry for the config edit if there is
/// any; a base with layers but no history stays without. Throws Error{InvalidInput} for what a config cannot hold: text
/// that is not UTF-8, a variable without a name, a relative workdir, a signal or port that there is not.
oci::Image append(const oci::Image& base, const std::vector<BuiltLayer>& layers, const ConfigEdit& edit);

/// `image` with `edit` applied and one empty_layer entry in its history, which names what was changed and no values (an
/// image without history stays without). The manifest keeps its kind and all else that it says. An edit that changes
/// nothing gives the image as it was. Throws as append() does.
oci::Image edit_config(const oci::Image& image, const ConfigEdit& edit);

}  // namespace cooper::build
