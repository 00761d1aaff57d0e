// Hashing one level of profile cooper and writing down what went in (private; the specification stands at
// cooper_tags()).
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/build/tag_record.hpp"

#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

class LevelHasher {
public:
    /// `before` is the text of the level before, empty for the first. `inputs` gets what is hashed and must outlive it.
    LevelHasher(TagLevel level, std::string_view before, std::vector<RecordedInput>& inputs);

    /// Hashed as it is recorded.
    void add(std::string_view kind, std::string name, std::string value, std::uint32_t mode = 0,
             std::uint64_t size = 0);
    /// Hashed as the digest of its text; recorded by its text, or as `secret_kind` by that digest when it looks secret.
    void add_text(std::string_view kind, std::string_view secret_kind, std::string name, std::string text);

    [[nodiscard]] Digest finish() { return hasher_.finish(); }

private:
    void hash(std::string_view text);
    void hash(std::uint64_t number);
    void hash_input(std::string_view kind, std::string_view name, std::string_view value, std::uint32_t mode,
                    std::uint64_t size);

    TagLevel level_;
    std::vector<RecordedInput>& inputs_;
    Hasher hasher_;
};

/// 20 base-36 digits of the first 103 bits.
std::string tag_digits(const Digest& hash);

/// Whether something of this name and text should not be written to files: the name says so, or redact() would take
/// something out of the text.
bool looks_secret(std::string_view name, std::string_view text);

}  // namespace cooper::build
