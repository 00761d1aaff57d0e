#include "gate_flags.hpp"

#include "cooper/base/text.hpp"

#include <chrono>

namespace cooper::cli {

namespace {

constexpr std::chrono::hours kLongestGate{24};

std::chrono::seconds parse_time_limit(std::string_view text) {
    const auto limit = parse_duration(text);
    if (limit < std::chrono::seconds(1) || limit > kLongestGate) {
        throw Error(ErrorCode::InvalidInput, "a gate has between 1s and 24h, not " + std::string(text));
    }
    return limit;
}

std::vector<int> parse_statuses(std::string_view text) {
    std::vector<int> statuses;
    for (const std::string_view each : split(text, ',')) {
        statuses.push_back(static_cast<int>(parse_count(trim(each), 1, 255)));
    }
    return statuses;
}

}  // namespace

void GateFlags::declare(CommandLine& line) {
    line.value("--expect", "DIR", "every image must be the one whose evidence lies here (also a file)", expect_);
    line.values("--cmd", "TEMPLATE", "scan: a command without shell; {tar} {out} {name} {tag} {sha256} {id}", scans_);
    line.values("--test", "TEMPLATE", "test: likewise, exit status 0 is a yes; {image} {id} {out} ...", tests_);
    line.parsed("--time-limit", "TIME", "for each gate; default: 30m", time_limit_, parse_time_limit);
    line.parsed("--findings-exit", "N,N", "exit statuses of a scanner that mean findings; default: 1", findings_,
                parse_statuses);
    line.values("--pass-env", "NAME", "a variable that gates get as well (they see few, and no credentials)",
                pass_environment_);
}

std::optional<delivery::EvidenceSet> GateFlags::evidence() const {
    return expect_.empty() ? std::nullopt : std::optional(delivery::EvidenceSet::load(expect_));
}

std::vector<delivery::GateCommand> GateFlags::gates() const {
    std::vector<delivery::GateCommand> gates;
    const auto add = [&](delivery::GateKind kind, const char* flag, const std::vector<std::string>& templates) {
        unsigned number = 0;
        for (const std::string& text : templates) {
            auto gate = as_usage(flag, [&] { return delivery::GateCommand::parse(kind, text); });
            gate.number = ++number;
            gate.timeout = time_limit_;
            gate.findings = findings_;
            gate.pass_environment = pass_environment_;
            gates.push_back(std::move(gate));
        }
    };
    add(delivery::GateKind::Scan, "--cmd", scans_);
    add(delivery::GateKind::Test, "--test", tests_);
    return gates;
}

std::filesystem::path GateFlags::logs(const OutputFlags& output) {
    return output.log_dir.empty() ? kGateLogs : output.log_dir;
}

bool has_own_manifest(const ImageArgument& image) noexcept {
    return image.place.kind != oci::PlaceName::Kind::DockerDaemon &&
           image.place.kind != oci::PlaceName::Kind::DockerArchive;
}

}  // namespace cooper::cli
