#include "build/edit/config_text.hpp"

#include "cooper/base/text.hpp"

#include "base/json.hpp"
#include "build/edit/config_values.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <map>
#include <utility>

namespace cooper::build {

namespace {

[[noreturn]] void refuse(const std::string& why) {
    throw Error(ErrorCode::InvalidInput, why);
}

/// The edits of one `config` object, and what they changed.
class ContainerEdit {
public:
    explicit ContainerEdit(ObjectText container) : container_(std::move(container)) {}

    void apply(const ConfigEdit& edit) {
        edit_env(edit);
        edit_command(edit);
        if (edit.workdir && !edit.workdir->empty() && !edit.workdir->starts_with('/')) {
            refuse("the workdir '" + oci::printable(*edit.workdir) + "' is not absolute");
        }
        edit_text("WorkingDir", edit.workdir, "workdir");
        edit_text("User", edit.user, "user");
        edit_labels(edit);
        edit_ports(edit);
        edit_volumes(edit);
        if (edit.stop_signal && !edit.stop_signal->empty()) {
            check_signal(*edit.stop_signal);
        }
        edit_text("StopSignal", edit.stop_signal, "stop signal");
        edit_healthcheck(edit);
    }

    [[nodiscard]] const std::string& summary() const noexcept { return summary_; }
    [[nodiscard]] std::string text() const { return container_.text(); }

private:
    void tell(const std::string& what) { summary_ += (summary_.empty() ? "" : ", ") + what; }

    /// Variables keep their places; new ones come last, in the order given.
    void edit_env(const ConfigEdit& edit) {
        if (edit.env.empty() && edit.unset_env.empty()) {
            return;
        }
        auto list = array_of(container_, "Env");
        const auto before = list.text();
        for (const auto& name : edit.unset_env) {
            const auto size = list.size();
            list.remove_if([&](const std::string& entry) { return variable_of(entry) == name; });
            if (list.size() != size) {
                tell("env " + name);
            }
        }
        for (const auto& [name, value] : edit.env) {
            if (name.empty() || name.find('=') != std::string::npos) {
                refuse("'" + oci::printable(name) + "' cannot be the name of an environment variable");
            }
            if (set_variable(list, name, name + "=" + value)) {
                tell("env " + name);
            }
        }
        if (list.text() != before) {
            container_.set("Env", list.text());
        }
    }

    static std::string variable_of(const std::string& entry) {
        const auto text = unquoted_json(entry);
        return text.substr(0, text.find('='));
    }

    static bool set_variable(ArrayText& list, const std::string& name, const std::string& entry) {
        const auto json = quoted_json(entry);
        bool found = false, changed = false;
        for (std::size_t i = 0; i < list.size(); ++i) {
            const auto known = unquoted_json(list.at(i));
            if (known.substr(0, known.find('=')) != name) {
                continue;
            }
            found = true;
            if (known != entry) {
                list.set(i, json);
                changed = true;
            }
        }
        if (!found) {
            list.add(json);
        }
        return changed || !found;
    }

    void edit_command(const ConfigEdit& edit) {
        if (edit.entrypoint) {
            if (set("Entrypoint", json_array(*edit.entrypoint))) {
                tell("entrypoint");
            }
            if (!edit.cmd) {
                clear("Cmd");  // the old command was the old entrypoint's argument list
            }
        } else if (edit.reset_entrypoint && clear("Entrypoint")) {
            tell("entrypoint");
        }
        if (edit.cmd ? set("Cmd", json_array(*edit.cmd)) : edit.reset_cmd && clear("Cmd")) {
            tell("cmd");
        }
    }

    void edit_text(std::string_view key, const std::optional<std::string>& text, const std::string& name) {
        if (text && (text->empty() ? container_.remove(key) : set(key, quoted_json(*text)))) {
            tell(name);
        }
    }

    void edit_labels(const ConfigEdit& edit) {
        Members labels;
        for (const auto& [name, value] : edit.labels) {
            if (name.empty()) {
                refuse("a label without a name");
            }
            labels.emplace_back(name, quoted_json(value));
        }
        edit_members("Labels", "label ", edit.unset_labels, labels);
    }

    void edit_ports(const ConfigEdit& edit) {
        std::vector<std::string> unset;
        for (const auto& text : edit.unset_ports) {
            const auto ports = parse_ports(text);
            unset.insert(unset.end(), ports.begin(), ports.end());
        }
        Members set;
        for (const auto& text : edit.ports) {
            for (const auto& port : parse_ports(text)) {
                set.emplace_back(port, "{}");
            }
        }
        edit_members("ExposedPorts", "port ", unset, set);
    }

    void edit_volumes(const ConfigEdit& edit) {
        Members set;
        for (const auto& path : edit.volumes) {
            if (!path.starts_with('/')) {
                refuse("the volume '" + oci::printable(path) + "' is not absolute");
            }
            set.emplace_back(path, "{}");
        }
        edit_members("Volumes", "volume ", edit.unset_volumes, set);
    }

    using Members = std::vector<std::pair<std::string, std::string>>;

    /// Members keep their places; new ones come last, sorted. Of one that is given twice, the last counts.
    void edit_members(std::string_view key, const std::string& prefix, const std::vector<std::string>& unset,
                      const Members& set) {
        auto object = object_of(container_, key);
        std::map<std::string, bool> changed;
        for (const auto& member : unset) {
            if (object.remove(member)) {
                tell(prefix + member);
            }
        }
        std::map<std::string, std::string> sorted;
        for (const auto& [member, value] : set) {
            sorted[member] = value;
        }
        for (const auto& [member, value] : sorted) {
            changed[member] = set_member(object, member, value);
        }
        for (const auto& [member, value] : set) {  // told in the order given, once
            if (std::exchange(changed[member], false)) {
                tell(prefix + member);
            }
        }
        const auto* known = container_.find(key);
        if (object.text() != (known == nullptr || *known == "null" ? "{}" : *known)) {
            container_.set(key, object.text());
        }
    }

    void edit_healthcheck(const ConfigEdit& edit) {
        if (edit.reset_healthcheck && container_.remove("Healthcheck")) {
            tell("healthcheck");
        }
        if (!edit.healthcheck) {
            return;
        }
        const auto& asked = *edit.healthcheck;
        const bool none = asked.test == std::vector<std::string>{"NONE"};
        auto object = none ? ObjectText("{}") : object_of(container_, "Healthcheck");
        const auto before = container_.find("Healthcheck") == nullptr ? "" : *container_.find("Healthcheck");
        if (asked.test) {
            check_test(*asked.test);
            set_member(object, "Test", json_array(*asked.test));
        }
        set_duration(object, "Interval", asked.interval);
        set_duration(object, "Timeout", asked.timeout);
        set_duration(object, "StartPeriod", asked.start_period);
        set_duration(object, "StartInterval", asked.start_interval);
        if (asked.retries) {
            set_member(object, "Retries", std::to_string(*asked.retries));
        }
        if (object.text() != before && asked != HealthcheckEdit{}) {
            container_.set("Healthcheck", object.text());
            tell("healthcheck");
        }
    }

    static void check_test(const std::vector<std::string>& test) {
        const bool right = test.empty() || (test[0] == "NONE" && test.size() == 1) ||
                           (test[0] == "CMD" && test.size() > 1) || (test[0] == "CMD-SHELL" && test.size() == 2);
        if (!right) {
            refuse("a health check is NONE, CMD with words, or CMD-SHELL with one text; not " +
                   oci::printable(test[0]) + " with " + std::to_string(test.size() - 1));
        }
    }

    static void set_duration(ObjectText& object, std::string_view key,
                             const std::optional<std::chrono::nanoseconds>& duration) {
        if (!duration) {
            return;
        }
        if (duration->count() != 0 && *duration < std::chrono::milliseconds(1)) {
            refuse("the health check's " + std::string(key) + " is below 1 ms");
        }
        set_member(object, key, std::to_string(duration->count()));
    }

    /// True when the value is another than before, however it is written.
    static bool set_member(ObjectText& object, std::string_view key, const std::string& value) {
        const auto* known = object.find(key);
        if (known != nullptr && json::parse(*known, "config") == json::parse(value, "config")) {
            return false;
        }
        object.set(key, value);
        return true;
    }
    bool set(std::string_view key, const std::string& value) { return set_member(container_, key, value); }

    /// As docker clears a command: null, where there was one.
    bool clear(std::string_view key) { return container_.find(key) != nullptr && set(key, "null"); }

    ObjectText container_;
    std::string summary_;
};

}  // namespace

std::string edit_container(ObjectText& document, const ConfigEdit& edit) {
    ContainerEdit container(object_of(document, "config"));
    container.apply(edit);
    if (!container.summary().empty()) {
        document.set("config", container.text());
    }
    return container.summary();
}

std::string history_entry(TimePoint created, std::string_view created_by, bool empty_layer) {
    return R"({"created":)" + quoted_json(format_rfc3339(created)) + R"(,"created_by":)" + quoted_json(created_by) +
           (empty_layer ? R"(,"empty_layer":true})" : "}");
}

void add_history(ObjectText& document, const std::vector<std::string>& entries, const oci::Config& before) {
    // History of new layers alone would say that the image has no others.
    if (entries.empty() || (!before.has_history && !before.diff_ids.empty())) {
        return;
    }
    auto history = array_of(document, "history");
    for (const auto& entry : entries) {
        history.add(entry);
    }
    document.set("history", history.text());
}

void set_diff_ids(ObjectText& document, const std::vector<std::string>& diff_ids) {
    auto rootfs = object_of(document, "rootfs");
    rootfs.set("diff_ids", json_array(diff_ids));
    document.set("rootfs", rootfs.text());
}

}  // namespace cooper::build
