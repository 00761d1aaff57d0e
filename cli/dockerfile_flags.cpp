#include "dockerfile_flags.hpp"

#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

#include "edit_values.hpp"

#include <algorithm>
#include <array>
#include <map>

namespace cooper::cli {

namespace {

constexpr std::size_t kLargestSecret = 500 * 1024;
constexpr std::size_t kLargestLock = 16U << 20;
constexpr std::array<std::string_view, 6> kTransports = {
    "docker:", "docker-archive:", "docker-daemon:", "oci:", "oci-archive:", "store:"};

using Fields = std::map<std::string, std::string, std::less<>>;

/// "type=local,dest=DIR" and the like.
Fields comma_fields(std::string_view flag, const std::string& text) {
    Fields fields;
    for (const std::string_view part : split(text, ',')) {
        const auto equals = part.find('=');
        if (equals == 0 || part.empty()) {
            throw UsageError(std::string(flag) + ": \"" + text + "\" is not NAME=VALUE,…");
        }
        const std::string_view value = equals == std::string_view::npos ? "" : part.substr(equals + 1);
        fields[std::string(part.substr(0, equals))] = value;
    }
    return fields;
}

std::string field(const Fields& fields, std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) {
        if (const auto found = fields.find(name); found != fields.end()) {
            return found->second;
        }
    }
    return "";
}

std::pair<std::string, std::string> name_and_value(std::string_view flag, const std::string& text) {
    const auto equals = text.find('=');
    if (equals == std::string::npos || equals == 0) {
        throw UsageError(std::string(flag) + ": \"" + text + "\" is not NAME=VALUE");
    }
    return {text.substr(0, equals), text.substr(equals + 1)};
}

std::pair<std::string, std::string> host_and_address(const std::string& text) {
    const auto separator = text.find_first_of("=:");
    if (separator == std::string::npos || separator == 0 || separator + 1 == text.size()) {
        throw UsageError("--add-host: \"" + text + "\" is not NAME:ADDRESS");
    }
    return {text.substr(0, separator), text.substr(separator + 1)};
}

/// id=npm,src=FILE | id=npm,env=NAME | id=npm: the variable of that name, else the file.
build::BuildSecret secret_of(const std::string& text, const Environment& environment) {
    const Fields fields = comma_fields("--secret", text);
    const std::string id = field(fields, {"id"});
    std::string file = field(fields, {"src", "source"});
    std::string variable = field(fields, {"env"});
    if (id.empty()) {
        throw UsageError("--secret: \"" + text + "\" has no id", "--secret id=NAME,src=FILE");
    }
    if (file.empty() && variable.empty()) {
        (environment.get(id) ? variable : file) = id;
    }
    if (file.empty()) {
        const auto value = environment.get(variable);
        if (!value) {
            throw UsageError("--secret id=" + id + ": the environment has no variable " + variable);
        }
        return {id, [value] { return *value; }};
    }
    return {id, [file] { return read_file(file, kLargestSecret); }};
}

std::pair<std::string, std::filesystem::path> agent_of(const std::string& text, const Environment& environment) {
    const auto equals = text.find('=');
    const std::string id = text.substr(0, equals);
    std::string socket = equals == std::string::npos ? "" : text.substr(equals + 1);
    if (socket.empty()) {
        socket = environment.get("SSH_AUTH_SOCK").value_or("");
    }
    if (socket.empty()) {
        throw UsageError("--ssh " + text + ": no agent runs ($SSH_AUTH_SOCK is not set)",
                         "ssh-agent, or --ssh ID=SOCKET");
    }
    std::error_code ignored;
    if (!std::filesystem::is_socket(socket, ignored)) {
        throw UsageError("--ssh " + text + ": " + socket + " is no socket of an agent",
                         "load the key into an agent: ssh-add FILE");
    }
    return {id, socket};
}

build::LayerCompression compression_of(const std::string& text) {
    build::LayerCompression compression;
    if (text.empty() || text == "gzip") {
        return compression;
    }
    if (text == "zstd") {
        compression.kind = Compression::Zstd;
    } else if (text == "none" || text == "uncompressed") {
        compression.kind = Compression::None;
    } else {
        throw UsageError("--compression: \"" + text + "\" is none of gzip, zstd and none");
    }
    return compression;
}

}  // namespace

BuildOutput BuildOutput::parse(std::string_view given) {
    const std::string text(given);
    const bool transport = std::any_of(kTransports.begin(), kTransports.end(),
                                       [&](std::string_view each) { return text.starts_with(each); });
    if (transport) {
        return {Kind::Place, text};
    }
    if (text == "-") {
        return {Kind::RootTar, text};
    }
    if (!text.starts_with("type=") && text.find(",type=") == std::string::npos) {
        return {Kind::RootDirectory, text};
    }
    const Fields fields = comma_fields("--output", text);
    const std::string type = field(fields, {"type"});
    const std::string dest = field(fields, {"dest", "destination"});
    const std::string name = field(fields, {"name"});
    const auto needs = [&] {
        if (dest.empty()) {
            throw UsageError("--output " + text + ": where to?", "--output type=" + type + ",dest=PATH");
        }
        return dest;
    };
    if (type == "local") {
        return {Kind::RootDirectory, needs()};
    }
    if (type == "tar") {
        return {Kind::RootTar, dest.empty() ? "-" : dest};
    }
    if (type == "docker") {
        return {Kind::Place, dest.empty() ? "docker-daemon:" + name : "docker-archive:" + dest};
    }
    if (type == "oci") {
        return {Kind::Place, (field(fields, {"tar"}) == "false" ? "oci:" : "oci-archive:") + needs()};
    }
    if (type == "registry" || (type == "image" && field(fields, {"push"}) == "true")) {
        return {Kind::Place, "docker://" + name};
    }
    if (type == "image") {
        return {Kind::Place, "store:" + name};
    }
    if (type == "cacheonly") {
        return {Kind::Nothing, ""};
    }
    throw UsageError("--output: type \"" + type + "\" is none of docker, oci, registry, image, local, tar, cacheonly");
}

void DockerfileFlags::declare(CommandLine& line) {
    line.heading("Dockerfile (with CONTEXT, or --builder cooper)");
    line.value("--file", "FILE", "as --dockerfile; - is standard input; default: CONTEXT/Dockerfile", file);
    line.values("-o, --output", "PLACE",
                "docker-archive:FILE, oci:DIR, docker://NAME, DIR, or type=…,dest=…; repeatable", outputs_);
    line.toggle("--load", "into the engine too, by its tags", load);
    line.values("--secret", "id=ID[,src=FILE|,env=NAME]", "for RUN --mount=type=secret; repeatable", secrets_);
    line.values("--ssh", "default|ID=SOCKET", "an SSH agent for RUN --mount=type=ssh; repeatable", ssh_);
    line.values("--build-context", "NAME=PLACE",
                "directory, tar, git reference, docker-image://REF, oci-layout://DIR; repeatable", contexts_);
    line.values("--label", "NAME=VALUE", "of the image; repeatable", labels_);
    line.values("--annotation", "NAME=VALUE", "of its manifest; repeatable", annotations_);
    line.values("--add-host", "NAME:ADDRESS", "in /etc/hosts of RUN; repeatable", hosts_);
    line.value("--network", "MODE", "of RUN: host (default) or none", network_);
    line.parsed("--isolation", "MODE", "of RUN: auto (default), root, userns, single-user, chroot or none", isolation_,
                build::parse_isolation);
    line.values("--cache-from", "REF", "steps that others exported: REF, or type=registry|local,…; repeatable",
                cache_from_);
    line.values("--cache-to", "REF", "export them there: REF[,mode=max], type=local,dest=DIR, type=inline; repeatable",
                cache_to_);
    line.toggle("--cache-read-only", "remember no step of this build", cache_read_only_);
    line.values("--no-cache-filter", "STAGE", "run these stages again; repeatable", no_cache_filter_);
    line.value("--compression", "KIND", "of new layers: gzip (default), zstd or none", compression_);
    line.values("--scrub", "LIST", "leave out what debian, alpine or python leave behind and never twice alike",
                scrub_);
    line.value("--lock", "FILE", "write what it was made of, by digests", lock_file);
    line.value("--locked", "FILE", "build from such a file; what is not in it and not pinned is refused", locked_);
    line.value("--iidfile", "FILE", "write the image's ID", image_id_file);
    line.value("--metadata-file", "FILE", "write digests and names as buildx does", metadata_file);
    line.value("--progress", "HOW", "plain (default) or quiet", progress);
    line.toggle("--check", "only read the Dockerfile, and say what is wrong with it", check);
    line.toggle("--debug-shell", "a shell in the file system of the step that failed", debug_shell_);
    line.value("--call", "build|check", "as buildx", call_);
    line.values("--provenance", "MODE", "taken for buildx' sake; so is --sbom: no attestations are made", ignored_);
    line.values("--sbom", "MODE", "see --provenance", ignored_);
}

std::vector<BuildOutput> DockerfileFlags::outputs() const {
    std::vector<BuildOutput> all;
    std::transform(outputs_.begin(), outputs_.end(), std::back_inserter(all), BuildOutput::parse);
    return all;
}

build::ImageBuildOptions DockerfileFlags::options(const Environment& environment) const {
    build::ImageBuildOptions options;
    for (const std::string& text : secrets_) {
        options.secrets.push_back(secret_of(text, environment));
    }
    for (const std::string& text : ssh_) {
        options.ssh.insert(agent_of(text, environment));
    }
    for (const std::string& text : contexts_) {
        options.contexts.push_back(name_and_value("--build-context", text));
    }
    for (const std::string& text : labels_) {
        const bool bare = text.find('=') == std::string::npos;
        options.labels.push_back(bare ? std::pair(text, std::string()) : name_and_value("--label", text));
    }
    for (const std::string& text : annotations_) {
        options.annotations.push_back(name_and_value("--annotation", text));
    }
    std::transform(hosts_.begin(), hosts_.end(), std::back_inserter(options.extra_hosts), host_and_address);
    if (!network_.empty() && network_ != "default" && network_ != "host" && network_ != "none") {
        throw UsageError("--network: \"" + network_ + "\" is none of host and none");
    }
    options.network = network_;
    if (const auto epoch = source_date_epoch(environment)) {
        options.epoch = epoch->time_since_epoch().count();
    }
    for (const std::string& text : scrub_) {
        for (const std::string_view list : split(text, ',')) {
            options.scrub.emplace_back(trim(list));
        }
    }
    options.no_cache_stages = no_cache_filter_;
    options.cache_read_only = cache_read_only_;
    if (!call_.empty() && call_ != "build" && call_ != "check") {
        throw UsageError("--call: \"" + call_ + "\" is none of build and check");
    }
    options.lint_only = check || call_ == "check";
    for (const std::string& text : cache_from_) {
        options.cache_from.push_back(as_usage("--cache-from", [&] { return build::CachePlace::parse_from(text); }));
    }
    for (const std::string& text : cache_to_) {
        options.cache_to.push_back(as_usage("--cache-to", [&] { return build::CachePlace::parse_to(text); }));
    }
    options.compression = compression_of(compression_);
    if (!locked_.empty()) {
        options.locked = build::BuildRecord::parse(read_file(locked_, kLargestLock), locked_);
    }
    options.debug_shell = debug_shell_;
    return options;
}

}  // namespace cooper::cli
