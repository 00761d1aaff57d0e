#include "cooper/base/environment.hpp"

#include <pwd.h>
#include <unistd.h>

#include <string_view>
#include <vector>

namespace cooper {

Environment Environment::process() {
    std::map<std::string, std::string, std::less<>> variables;
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
        const std::string_view text(*entry);
        const std::size_t equals = text.find('=');
        if (equals != std::string_view::npos && equals != 0) {
            variables.emplace(text.substr(0, equals), text.substr(equals + 1));  // the first one wins, as in getenv
        }
    }
    return Environment(std::move(variables));
}

std::optional<std::string> Environment::get(std::string_view name) const {
    const auto found = variables_.find(name);
    if (found == variables_.end() || found->second.empty()) {
        return std::nullopt;
    }
    return found->second;
}

std::string Environment::home() const {
    if (auto home = get("HOME")) {
        return *home;
    }
    std::vector<char> buffer(16 * 1024);
    passwd entry{};
    passwd* found = nullptr;
    if (getpwuid_r(getuid(), &entry, buffer.data(), buffer.size(), &found) == 0 && found != nullptr &&
        found->pw_dir != nullptr && *found->pw_dir != '\0') {
        return found->pw_dir;
    }
    return "/";
}

}  // namespace cooper
