#include "output.hpp"

#include "cooper/base/text.hpp"

#include <nlohmann/json.hpp>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>

namespace cooper::cli {

namespace {

constexpr std::string_view kHexDigits = "0123456789abcdef";

void append_escaped(std::string& out, std::string_view bytes) {
    for (const char character : bytes) {
        const auto byte = static_cast<unsigned char>(character);
        out += "\\x";
        out += kHexDigits[byte >> 4U];
        out += kHexDigits[byte & 15U];
    }
}

// The length of a sequence at the beginning of `text` that would steer a terminal or turn the reading direction; 0:
// none.
std::size_t steering_length(std::string_view text) {
    const auto byte = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : static_cast<unsigned char>(0);
    };
    if (byte(0) < 0x20 || byte(0) == 0x7f) {
        return 1;
    }
    if (byte(0) == 0xc2 && byte(1) >= 0x80 && byte(1) <= 0x9f) {  // C1 controls, CSI among them
        return 2;
    }
    if (byte(0) == 0xe2 && byte(1) == 0x80 &&
        (byte(2) == 0x8e || byte(2) == 0x8f || (byte(2) >= 0xa8 && byte(2) <= 0xae))) {
        return 3;  // U+200E, U+200F, U+2028 to U+202E
    }
    if (byte(0) == 0xe2 && byte(1) == 0x81 && byte(2) >= 0xa6 && byte(2) <= 0xa9) {
        return 3;  // U+2066 to U+2069
    }
    return 0;
}

bool write_all(int descriptor, std::string_view text) noexcept {
    while (!text.empty()) {
        const ssize_t count = ::write(descriptor, text.data(), text.size());
        if (count < 0) {
            if (errno == EINTR) {
                continue;
            }
            return false;
        }
        text.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
}

}  // namespace

void OutputFlags::declare(CommandLine& line) {
    line.heading("Output");
    line.toggle("--json", "one JSON document on standard output, for failures too ({\"error\": …})", json);
    line.toggle("-v, --verbose", "show each request on standard error", verbose);
    line.toggle("-q, --quiet", "nothing but warnings and errors on standard error", quiet);
    line.toggle("--no-progress", "no bars; default: bars on a terminal, plain lines elsewhere", no_progress);
}

std::string printable(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    while (!text.empty()) {
        if (text[0] == '\n') {
            out += "\n  ";
            text.remove_prefix(1);
            continue;
        }
        const std::size_t steering = text[0] == '\t' ? 0 : steering_length(text);
        if (steering > 0) {
            append_escaped(out, text.substr(0, steering));
        } else {
            out += text[0];
        }
        text.remove_prefix(std::max<std::size_t>(steering, 1));
    }
    return out;
}

std::string shortened(std::string_view text, std::size_t limit) {
    return printable(text.substr(0, limit)) + (text.size() > limit ? "…" : "");
}

void print(std::string_view text) {
    if (!write_all(STDOUT_FILENO, text)) {
        throw SystemError("writing the result to standard output", errno);
    }
}

void print_json(const Json& document) {
    print(document.dump(2, ' ', true, Json::error_handler_t::replace) + "\n");
}

void complain(std::string_view text) noexcept {
    write_all(STDERR_FILENO, text);
}

std::string aligned(const std::vector<std::pair<std::string, std::string>>& rows, std::string_view indent) {
    std::size_t width = 0;
    for (const auto& [name, value] : rows) {
        width = std::max(width, value.empty() ? 0 : name.size());
    }
    std::string out;
    for (const auto& [name, value] : rows) {
        if (!value.empty()) {
            out += std::string(indent) + name + std::string(width - name.size() + 2, ' ') + printable(value) + "\n";
        }
    }
    return out;
}

std::string joined(const std::vector<std::string>& texts, std::string_view separator) {
    std::string all;
    for (const std::string& text : texts) {
        all += (all.empty() ? "" : std::string(separator)) + text;
    }
    return all;
}

std::string size_text(std::uint64_t bytes) {
    return bytes < 1000 ? std::to_string(bytes) + " bytes"
                        : format_bytes(bytes) + " (" + std::to_string(bytes) + " bytes)";
}

bool in_github_actions() noexcept {
    const char* value = std::getenv("GITHUB_ACTIONS");  // NOLINT(concurrency-mt-unsafe): nothing here sets variables
    return value != nullptr && std::string_view(value) == "true";
}

std::string error_annotation(std::string_view message) {
    std::string escaped;
    for (const char character : message) {
        switch (character) {
            case '%':
                escaped += "%25";
                break;
            case '\r':
                escaped += "%0D";
                break;
            case '\n':
                escaped += "%0A";
                break;
            default:
                escaped += character;
        }
    }
    return "::error title=cooper::" + escaped + "\n";
}

WorkflowCommandsStopped::WorkflowCommandsStopped() {
    if (!in_github_actions()) {
        return;
    }
    // Random: text from outside that knew the word could end the stop itself.
    std::array<std::byte, 16> random{};
    if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
        return;
    }
    token_ = "cooper-" + to_hex(random);
    complain("::stop-commands::" + token_ + "\n");
}

WorkflowCommandsStopped::~WorkflowCommandsStopped() {
    if (!token_.empty()) {
        complain("::" + token_ + "::\n");
    }
}

}  // namespace cooper::cli
