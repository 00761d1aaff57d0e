#include "github_output.hpp"

#include "cooper/base/digest.hpp"
#include "cooper/base/files.hpp"

#include "exit_code.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace cooper::cli {

namespace {

/// A line that ends the value and that the value cannot contain, since it is made from the value's digest.
std::string delimiter_of(const std::string& value) {
    return "cooper_" + std::string(sha256(value).hex());
}

}  // namespace

void require_github_output(const Environment& environment) {
    if (!environment.get("GITHUB_OUTPUT")) {
        throw UsageError("--github-output: GITHUB_OUTPUT is not set, so this is no step of GitHub Actions",
                         "--json, or GITHUB_OUTPUT=FILE");
    }
}

void write_github_output(const Environment& environment,
                         const std::vector<std::pair<std::string, std::string>>& values) {
    require_github_output(environment);
    const auto path = environment.get("GITHUB_OUTPUT");
    std::string text;
    for (const auto& [name, value] : values) {
        if (value.find('\n') == std::string::npos) {
            text += name + "=" + value + "\n";
        } else {
            const std::string delimiter = delimiter_of(value);
            text += name + "<<" + delimiter + "\n" + value + "\n" + delimiter + "\n";
        }
    }
    const FileDescriptor file(::open(path->c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666));
    if (!file.valid() || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        throw SystemError("cannot write the step's outputs to " + *path, errno);
    }
}

}  // namespace cooper::cli
