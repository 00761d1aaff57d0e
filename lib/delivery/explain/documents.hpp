// JSON documents and other small members, compared (private).
#pragma once

#include "delivery/explain/findings.hpp"
#include "delivery/explain/report_files.hpp"

#include <string>
#include <string_view>

namespace cooper::delivery {

/// Where findings and both sides' files go; all borrowed.
struct Telling {
    Findings& findings;
    const ReportFiles& report;
};

/// Tells each JSON pointer whose value differs; of what is no JSON, a unified diff. `level` is Documents or Config.
void compare_documents(ExplainLevel level, const std::string& where, std::string_view a, std::string_view b,
                       const Telling& to);

/// `text` with every SHA-256 in it (64 hex digits) replaced by one letter: names that differ in digests alone become
/// equal.
std::string without_digests(std::string_view text);

/// What the history of a config says of the steps that made layers, in their order; "" where it says nothing.
std::vector<std::string> steps_of(const std::string& config);

}  // namespace cooper::delivery
