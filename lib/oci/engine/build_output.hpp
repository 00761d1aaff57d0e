// What a build prints, as lines that may be shown.
#pragma once

#include "cooper/base/secret.hpp"

#include <cstddef>
#include <deque>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::oci {

/// Takes secrets out of text, and what looks like one.
class SecretMask {
public:
    /// Each line of a secret by itself; what is shorter than 4 bytes stays, it would blot out half of the output.
    explicit SecretMask(const std::vector<Secret>& secrets);
    [[nodiscard]] std::string masked(std::string_view text) const;

private:
    std::vector<Secret> secrets_;  // longest first
};

/// `raw` (without its line end) as a terminal would show it in the end: what a carriage return went back over is gone,
/// so are escape sequences; other control characters, C1 among them, become "?". Tabs stay.
std::string shown_line(std::string_view raw);

/// At most `limit` bytes of UTF-8 text, then "…".
std::string cut_text(std::string text, std::size_t limit);

/// An engine's words about a failure, on one line and fit for a message.
std::string shown_words(std::string words, const SecretMask& mask);

/// Cuts text that comes in pieces of any size into lines. Memory: the current line, at most 16 KiB of it, and the last
/// lines of the current step.
class BuildOutput {
public:
    BuildOutput(const SecretMask& mask, std::function<void(const std::string& line)> on_line)
        : mask_(mask), on_line_(std::move(on_line)) {}

    void feed(std::string_view text);
    /// A line that comes as a whole ("Status: Downloaded newer image"); what is left of another one ends before it.
    void line(std::string_view text);
    /// The last line needs no line end.
    void finish() { end_line(); }

    /// "Step 3/7 : RUN make", "STEP 3/7: RUN make", "[1/2] STEP 3/7: RUN make"; empty before the first.
    [[nodiscard]] const std::string& step() const noexcept { return step_; }
    /// What this step printed last, at most 20 lines; the engine's own remarks are left out.
    [[nodiscard]] std::vector<std::string> step_output() const { return {tail_.begin(), tail_.end()}; }
    /// The short ID of "Successfully built ID", when that was the last line.
    [[nodiscard]] const std::string& built() const noexcept { return built_; }

private:
    void end_line();

    const SecretMask& mask_;
    std::function<void(const std::string&)> on_line_;
    std::string line_;
    std::string step_;
    std::deque<std::string> tail_;
    std::string built_;
};

}  // namespace cooper::oci
