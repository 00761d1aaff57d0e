// What `cooper gate` found out, as text, JSON and a table on the job's page.
#pragma once

#include "cooper/delivery/gate.hpp"

#include "output.hpp"

#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace cooper::cli {

/// One gate of one image.
struct GateVerdict {
    std::string kind;     ///< "digest", "scan", "test"
    std::string program;  ///< empty: a digest gate
    std::string verdict;  ///< "passed", "differs", "findings", "failed", "broken", "error"
    std::string message;  ///< empty: passed
    std::optional<delivery::GateReport> report = std::nullopt;  ///< of what passed
    std::filesystem::path log = {};
    std::exception_ptr failure = nullptr;
};

struct GatedImage {
    std::string source;
    std::string name;
    std::string image_id;
    std::string manifest;
    std::optional<Digest> tarball;  ///< made for the gates
    std::uint64_t tarball_size = 0;
    std::string evidence;  ///< path that was written; may be empty
    std::vector<GateVerdict> verdicts;

    [[nodiscard]] bool passed() const noexcept;
};

/// The first failure of the gravest kind: another image before findings before a gate that broke before the rest.
std::exception_ptr gravest_failure(const std::vector<GatedImage>& images);

void print_gated(const std::vector<GatedImage>& images, bool json);
std::vector<delivery::GateRow> gate_rows(const std::vector<GatedImage>& images);

}  // namespace cooper::cli
