#include "build/dockerfile/flags.hpp"

#include "cooper/base/nearest.hpp"
#include "cooper/base/text.hpp"

#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

std::string listed_flags(std::span<const InstructionFlags::Known> known) {
    std::string text;
    for (const auto& flag : known) {
        text += (text.empty() ? "--" : ", --") + std::string(flag.name);
    }
    return text;
}

std::string suggestion(std::string_view given, std::span<const InstructionFlags::Known> known) {
    std::vector<std::string_view> names;
    for (const auto& flag : known) {
        names.push_back(flag.name);
    }
    if (const auto near = nearest(given, names)) {
        return "did you mean --" + std::string(*near) + "?";
    }
    return known.empty() ? "this instruction has no flags" : "its flags: " + listed_flags(known);
}

}  // namespace

std::string did_you_mean(std::string_view given, std::span<const std::string_view> candidates) {
    const auto near = nearest(given, candidates);
    return near ? "did you mean " + std::string(*near) + "?" : "";
}

InstructionFlags::InstructionFlags(const DockerfileLine& line, std::span<const Known> known, const LineFailure& fail) {
    for (const auto& [word, offset] : line.flags) {
        const auto equals = word.find('=');
        const auto name = std::string_view(word).substr(2, equals == std::string::npos ? equals : equals - 2);
        const auto shown = "--" + oci::printable(name);
        const auto flag = std::find_if(known.begin(), known.end(), [&](const Known& one) { return one.name == name; });
        if (flag == known.end()) {
            fail(offset, "unknown flag: " + shown, suggestion(name, known));
            return;
        }
        if (flag->kind != Kind::List && find(name) != nullptr) {
            fail(offset, "the flag " + shown + " stands here twice", "");
        }
        const bool has_value = equals != std::string::npos;
        Given given{flag->name, has_value ? word.substr(equals + 1) : "", offset};
        if (flag->kind == Kind::Boolean) {
            const auto value = has_value ? to_lower(given.value) : "true";
            if (value != "true" && value != "false") {
                fail(offset, "the flag " + shown + " is true or false, not \"" + oci::printable(given.value) + "\"",
                     "");
            }
            given.value = value;
        } else if (!has_value) {
            fail(offset, "the flag " + shown + " has no value", "write it as " + shown + "=VALUE");
        }
        given_.push_back(std::move(given));
    }
}

const InstructionFlags::Given* InstructionFlags::find(std::string_view name) const {
    const auto found =
        std::find_if(given_.begin(), given_.end(), [&](const Given& given) { return given.name == name; });
    return found == given_.end() ? nullptr : &*found;
}

std::string InstructionFlags::text(std::string_view name) const {
    const auto* const given = find(name);
    return given != nullptr ? given->value : "";
}

std::optional<bool> InstructionFlags::boolean(std::string_view name) const {
    const auto* const given = find(name);
    return given != nullptr ? std::optional(given->value == "true") : std::nullopt;
}

std::vector<std::string> InstructionFlags::list(std::string_view name) const {
    std::vector<std::string> values;
    for (const auto& given : given_) {
        if (given.name == name) {
            values.push_back(given.value);
        }
    }
    return values;
}

std::size_t InstructionFlags::offset(std::string_view name) const {
    const auto* const given = find(name);
    return given != nullptr ? given->offset : 0;
}

}  // namespace cooper::build
