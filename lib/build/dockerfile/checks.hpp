// Warnings by BuildKit's names (private).
#pragma once

#include "cooper/build/dockerfile.hpp"

#include "build/dockerfile/lines.hpp"

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

/// "skip=A,B;error=true;experimental=C": which rules speak.
class CheckRules {
public:
    /// Throws Error{InvalidInput} for what `# check=` does not know.
    explicit CheckRules(std::string_view text);

    /// `also` is the `# check=…` of one instruction.
    [[nodiscard]] bool reports(std::string_view rule, std::string_view also = {}) const;
    [[nodiscard]] bool errors() const { return errors_; }

private:
    struct Rules {
        bool all = false;
        std::set<std::string, std::less<>> names;
        [[nodiscard]] bool has(std::string_view rule) const { return all || names.contains(rule); }
    };
    static Rules parse_rules(std::string_view text);

    Rules skipped_;
    Rules experimental_;
    bool errors_ = false;
};

/// The value of "check=…" among the comments above an instruction.
std::string check_of_comments(const std::vector<std::string>& comments);

/// Fills in `warnings` and `warnings_are_errors`: what the text alone shows. Throws DockerfileError for `# check=`.
void check_lines(const DockerfileLines& lines, Dockerfile& dockerfile);

}  // namespace cooper::build
