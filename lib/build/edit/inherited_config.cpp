#include "build/edit/inherited_config.hpp"

#include "base/json.hpp"

#include <nlohmann/json.hpp>

#include <optional>
#include <unordered_map>
#include <utility>

namespace cooper::build {

namespace {

/// Absent and null are alike.
std::optional<std::string> value_of(const ObjectText& object, std::string_view key) {
    const auto* found = object.find(key);
    return found == nullptr || *found == "null" ? std::nullopt : std::optional(*found);
}

bool same_value(const std::optional<std::string>& a, const std::optional<std::string>& b) {
    if (!a || !b) {
        return a.has_value() == b.has_value();
    }
    return *a == *b || json::parse(*a, "config") == json::parse(*b, "config");
}

using Values = std::unordered_map<std::string, std::string>;

Values values_of(const ObjectText& object) {
    Values values;
    for (auto& [key, value] : object.members()) {
        values.emplace(std::move(key), std::move(value));
    }
    return values;
}

std::string variable_of(const std::string& entry) {
    const auto text = unquoted_json(entry);
    return text.substr(0, text.find('='));
}

/// NAME -> "NAME=value", as JSON. Of a variable that is there twice, the last counts.
Values variables_of(const ArrayText& list) {
    Values variables;
    for (std::size_t i = 0; i < list.size(); ++i) {
        variables[variable_of(list.at(i))] = list.at(i);
    }
    return variables;
}

std::optional<std::string> find(const Values& values, const std::string& key) {
    const auto found = values.find(key);
    return found == values.end() ? std::nullopt : std::optional(found->second);
}

class Inheritance {
public:
    Inheritance(ObjectText& config, const ObjectText& old_base, const ObjectText& new_base)
        : document_(config),
          container_(object_of(config, "config")),
          old_base_(object_of(old_base, "config")),
          new_base_(object_of(new_base, "config")) {
        take_variables();
        take_members("Labels", "label ");
        take_members("ExposedPorts", "port ");
        take_members("Volumes", "volume ");
        take_together({"Entrypoint", "Cmd"}, "entrypoint and cmd");
        for (const auto& [key, name] :
             {std::pair("WorkingDir", "workdir"), std::pair("User", "user"), std::pair("StopSignal", "stop signal"),
              std::pair("Healthcheck", "healthcheck"), std::pair("Shell", "shell")}) {
            take_together({key}, name);
        }
        if (!taken.empty()) {
            document_.set("config", container_.text());
        }
    }

    std::vector<std::string> taken;

private:
    /// True when the image's value is the old base's and the new base has another.
    static bool takes(const std::optional<std::string>& own, const std::optional<std::string>& before,
                      const std::optional<std::string>& now) {
        return same_value(own, before) && !same_value(now, before);
    }

    void take_variables() {
        auto list = array_of(container_, "Env");
        const auto own = variables_of(list);
        const auto before = variables_of(array_of(old_base_, "Env"));
        const auto new_list = array_of(new_base_, "Env");
        const auto now = variables_of(new_list);
        std::unordered_map<std::string, std::optional<std::string>> changes;
        for (std::size_t i = 0; i < new_list.size(); ++i) {  // in the base's order
            const auto name = variable_of(new_list.at(i));
            if (takes(find(own, name), find(before, name), find(now, name)) &&
                changes.emplace(name, find(now, name)).second) {
                taken.push_back("env " + name);
                if (!own.contains(name)) {
                    list.add(now.at(name));
                }
            }
        }
        list.remove_if([&](const std::string& entry) {
            const auto name = variable_of(entry);
            const bool gone =
                before.contains(name) && !now.contains(name) && same_value(find(own, name), find(before, name));
            if (gone) {
                taken.push_back("env " + name);
            }
            return gone;
        });
        for (std::size_t i = 0; i < list.size(); ++i) {
            if (const auto found = changes.find(variable_of(list.at(i))); found != changes.end()) {
                list.set(i, *found->second);
            }
        }
        set_if_other("Env", list.text(), "[]");
    }

    void take_members(std::string_view key, const std::string& prefix) {
        auto object = object_of(container_, key);
        const auto own = values_of(object), before = values_of(object_of(old_base_, key));
        const auto new_object = object_of(new_base_, key);
        const auto now = values_of(new_object);
        for (const auto& [name, value] : new_object.members()) {
            if (takes(find(own, name), find(before, name), value)) {
                object.set(name, value);
                taken.push_back(prefix + name);
            }
        }
        for (const auto& [name, value] : object_of(old_base_, key).members()) {
            if (!now.contains(name) && takes(find(own, name), value, std::nullopt)) {
                object.remove(name);
                taken.push_back(prefix + name);
            }
        }
        set_if_other(key, object.text(), "{}");
    }

    void set_if_other(std::string_view key, const std::string& text, std::string_view empty) {
        const auto* known = container_.find(key);
        if (known == nullptr || *known == "null" ? text != empty : *known != text) {
            container_.set(key, text);
        }
    }

    /// Values that make sense only together.
    void take_together(std::initializer_list<const char*> keys, const char* name) {
        bool unchanged = true, other = false;
        for (const auto* const key : keys) {
            const auto before = value_of(old_base_, key);
            unchanged = unchanged && same_value(value_of(container_, key), before);
            other = other || !same_value(value_of(new_base_, key), before);
        }
        if (!unchanged || !other) {
            return;
        }
        for (const auto* const key : keys) {
            if (const auto value = value_of(new_base_, key)) {
                container_.set(key, *value);
            } else {
                container_.remove(key);
            }
        }
        taken.emplace_back(name);
    }

    ObjectText& document_;
    ObjectText container_;
    ObjectText old_base_;
    ObjectText new_base_;
};

}  // namespace

std::vector<std::string> inherit_config(ObjectText& config, const ObjectText& old_base, const ObjectText& new_base) {
    return std::move(Inheritance(config, old_base, new_base).taken);
}

}  // namespace cooper::build
