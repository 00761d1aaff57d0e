// The flags of verbs that let nothing pass but what was tested and scanned.
#pragma once

#include "cooper/delivery/evidence.hpp"
#include "cooper/delivery/gate.hpp"

#include "command_line.hpp"
#include "image_argument.hpp"
#include "output.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace cooper::cli {

/// Where logs of gates go without --log-dir.
inline constexpr const char* kGateLogs = "cooper-logs";

class GateFlags {
public:
    void declare(CommandLine& line);

    /// Evidence of --expect; nullopt: it was not given.
    [[nodiscard]] std::optional<delivery::EvidenceSet> evidence() const;
    /// The commands, scans first, with the settings that go for all of them. Throws UsageError.
    [[nodiscard]] std::vector<delivery::GateCommand> gates() const;
    [[nodiscard]] bool has_gates() const noexcept { return !scans_.empty() || !tests_.empty(); }
    [[nodiscard]] const std::string& expect() const noexcept { return expect_; }
    /// --log-dir, else kGateLogs.
    [[nodiscard]] static std::filesystem::path logs(const OutputFlags& output);

private:
    std::string expect_;
    std::vector<std::string> scans_;
    std::vector<std::string> tests_;
    std::chrono::seconds time_limit_{30 * 60};
    std::vector<int> findings_{1};
    std::vector<std::string> pass_environment_;
};

/// False for engines and docker-archives: they keep no manifest, so theirs says nothing (`same_form` of
/// delivery::check_evidence).
bool has_own_manifest(const ImageArgument& image) noexcept;

}  // namespace cooper::cli
