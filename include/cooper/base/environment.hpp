// The environment, as a seam: the one place where variables enter, so that tests set their own.
#pragma once

#include <map>
#include <optional>
#include <string>

namespace cooper {

/// Environment variables and the places that derive from them. A value; const and thread-safe.
class Environment {
public:
    /// The process's own, read once when called.
    static Environment process();
    explicit Environment(std::map<std::string, std::string, std::less<>> variables)
        : variables_(std::move(variables)) {}

    /// The variable's value; nullopt when unset **or empty** (the ecosystem treats both alike).
    [[nodiscard]] std::optional<std::string> get(std::string_view name) const;
    /// $HOME, else the password file's entry of the current user, else "/".
    [[nodiscard]] std::string home() const;
    /// All variables, for child processes.
    [[nodiscard]] const std::map<std::string, std::string, std::less<>>& all() const noexcept { return variables_; }

private:
    std::map<std::string, std::string, std::less<>> variables_;
};

}  // namespace cooper
