#include "build/image/history_text.hpp"

#include <array>
#include <cstdio>

namespace cooper::build {

namespace {

/// Go's strconv.Quote, for text that is UTF-8: printable characters beyond ASCII stay as they are.
std::string quoted(const std::string& word) {
    std::string out = "\"";
    for (const char c : word) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\t') {
            out += "\\t";
        } else if (c == '\r') {
            out += "\\r";
        } else if (byte < 0x20 || byte == 0x7f) {
            std::array<char, 5> escape{};
            std::snprintf(escape.data(), escape.size(), "\\x%02x", static_cast<unsigned>(byte));
            out += escape.data();
        } else {
            out += c;
        }
    }
    return out + "\"";
}

}  // namespace

std::string joined(const std::vector<std::string>& words, const char* separator) {
    std::string out;
    for (const std::string& word : words) {
        out += (&word == &words.front() ? "" : separator) + word;
    }
    return out;
}

std::string quoted_list(const std::vector<std::string>& words) {
    std::vector<std::string> each;
    each.reserve(words.size());
    for (const std::string& word : words) {
        each.push_back(quoted(word));
    }
    return "[" + joined(each, " ") + "]";
}

std::string run_history(const std::vector<std::string>& declared, const std::vector<std::string>& command) {
    std::string text = "RUN ";
    if (!declared.empty()) {
        text += "|" + std::to_string(declared.size()) + " " + joined(declared, " ") + " ";
    }
    return text + joined(command, " ") + " # buildkit";
}

std::string copy_history(const CopyInstruction& copy) {
    std::string text = copy.add ? "ADD" : "COPY";
    if (!copy.chown.empty()) {
        text += " --chown=" + copy.chown;
    }
    if (!copy.chmod.empty()) {
        text += " --chmod=" + copy.chmod;
    }
    if (copy.parents) {
        text += " --parents";
    }
    for (const std::string& source : copy.sources) {
        text += " " + source;
    }
    for (const Heredoc& heredoc : copy.inline_sources) {
        text += " <<" + heredoc.name;
    }
    return text + " " + copy.destination + " # buildkit";
}

std::string pairs_history(const std::string& keyword, const std::vector<KeyValue>& pairs) {
    std::string text = keyword;
    for (const KeyValue& pair : pairs) {
        text += " " + pair.key + "=" + pair.value;
    }
    return text;
}

std::string healthcheck_history(const HealthcheckInstruction& check) {
    std::string text = "HEALTHCHECK {Test:[" + joined(check.test, " ") + "]";
    const auto add = [&](const char* name, const std::optional<std::chrono::nanoseconds>& value) {
        if (value) {
            text += std::string(" ") + name + ":" + std::to_string(value->count()) + "ns";
        }
    };
    add("Interval", check.interval);
    add("Timeout", check.timeout);
    add("StartPeriod", check.start_period);
    add("StartInterval", check.start_interval);
    return text + (check.retries ? " Retries:" + std::to_string(*check.retries) : "") + "}";
}

}  // namespace cooper::build
