// split and join: a file in parts, for gateways and media that take no large ones.
#include "cooper/delivery/parts.hpp"

#include "command.hpp"
#include "session.hpp"

#include <nlohmann/json.hpp>

#include <filesystem>

namespace cooper::cli {

namespace {

class SplitCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {.name = "split",
                .summary = "cut a file into parts with checksums",
                .usage = "FILE --size SIZE [-o DIR]",
                .about =
                    "Writes FILE.part001of004 and so on, FILE.parts.json and the lines of SHA256SUMS for all of them,\n"
                    "beside FILE or to DIR. Nobody needs cooper to join them:\n"
                    "  cat FILE.part*of004 > FILE && sha256sum -c SHA256SUMS       (Windows: copy /b A+B FILE)\n"
                    "Colons in FILE's name become \"_\". Lines of other files in SHA256SUMS stay.",
                .examples = {
                    {"for a USB stick with a FAT file system", "cooper split app.tar --size fat32 -o /media/stick"},
                    {"for a gateway that takes 500 MiB at a time", "cooper split app.tar --size 500M"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Parts");
        line.value("--size", "SIZE", "fat32, dvd, mail (20M), or bytes with K, M, G or T (powers of 1024); required",
                   size_);
        line.value("-o, --output", "DIR", "where to, made when missing; default: beside FILE", directory_);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, 1);
        if (size_.empty()) {
            throw UsageError("split: how large?", "--size fat32, or --size 4G");
        }
        const std::uint64_t size = as_usage("--size", [&] { return delivery::parse_part_size(size_); });
        const std::filesystem::path file = positionals[0];
        const std::filesystem::path directory =
            !directory_.empty() ? std::filesystem::path(directory_)
                                : (file.has_parent_path() ? file.parent_path() : std::filesystem::path("."));
        Session session(output, connection_);
        const auto list = delivery::split_file(file, size, directory, session.run());
        session.finish_progress();
        report(directory, list);
    }

private:
    void report(const std::filesystem::path& directory, const delivery::PartsList& list) const {
        if (output.json) {
            Json document = Json::parse(delivery::parts_to_json(list));
            document["directory"] = directory.string();
            print_json(document);
            return;
        }
        std::string parts = std::to_string(list.parts.size()) + ": " + list.parts.front().name;
        if (list.parts.size() > 1) {
            parts += " to " + list.parts.back().name;
        }
        print(aligned({{"directory", directory.string()},
                       {"file", list.name + ", " + size_text(list.size)},
                       {"parts", parts},
                       {"sha256", std::string(list.sha256.hex())}}));
    }

    std::string size_;
    std::string directory_;
    ConnectionFlags connection_;
};

class JoinCommand final : public Command {
public:
    [[nodiscard]] VerbText text() const override {
        return {.name = "join",
                .summary = "make a file from its parts again",
                .usage = "FILE.part*|FILE.parts.json [-o FILE]",
                .about =
                    "Checks the set first: missing and foreign parts are named, and damaged ones when they were read.\n"
                    "FILE.parts.json and SHA256SUMS beside the parts say what they must be; without them only names,\n"
                    "number and sizes can be checked, and the answer says so. The file appears when all is proved.",
                .examples = {{"all parts, in any order", "cooper join app.tar.part*"},
                             {"from the list of parts", "cooper join app.tar.parts.json -o /srv/app.tar"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("File");
        line.value("-o, --output", "FILE", "the file to write; default: beside the parts, under its own name", file_);
        output.declare(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 1, delivery::kMaxParts + 1);
        Session session(output, connection_);
        const auto out = file_.empty() ? std::nullopt : std::optional<std::filesystem::path>(file_);
        const auto joined = delivery::join_parts({positionals.begin(), positionals.end()}, out, session.run());
        session.finish_progress();
        report(joined);
    }

private:
    void report(const delivery::JoinReport& joined) const {
        if (output.json) {
            print_json({{"file", joined.file.string()},
                        {"size", joined.size},
                        {"sha256", joined.sha256.hex()},
                        {"parts", joined.parts},
                        {"parts_proved", joined.parts_proved},
                        {"whole_proved", joined.whole_proved}});
            return;
        }
        const std::string proof = joined.whole_proved ? "SHA-256 is what it must be"
                                  : joined.parts_proved
                                      ? "each part is what it must be; nothing says what the file must be"
                                      : "no: there is no FILE.parts.json and no SHA256SUMS that names all parts; only "
                                        "names, number and sizes were checked";
        print(aligned({{"file", joined.file.string()},
                       {"size", size_text(joined.size)},
                       {"parts", std::to_string(joined.parts)},
                       {"sha256", std::string(joined.sha256.hex())},
                       {"proved", proof}}));
    }

    std::string file_;
    ConnectionFlags connection_;
};

}  // namespace

std::unique_ptr<Command> make_split_command() {
    return std::make_unique<SplitCommand>();
}
std::unique_ptr<Command> make_join_command() {
    return std::make_unique<JoinCommand>();
}

}  // namespace cooper::cli
