#include "cooper/build/index_edit.hpp"

#include "edit_command.hpp"
#include "edit_values.hpp"

namespace cooper::cli {

namespace {

/// Opens sources and writes an index of them. The result has the first source's name where the destination has none.
class IndexCommand : public EditCommand {
protected:
    [[nodiscard]] std::vector<oci::OpenedPlace> open_all(Session& session, const Places& places,
                                                         std::size_t whole_from) const {
        std::vector<oci::OpenedPlace> opened;
        for (std::size_t i = 0; i < places.from.size(); ++i) {
            opened.push_back(open(session, places.from[i], i < whole_from || !transfer_.platform));
        }
        return opened;
    }

    static std::vector<oci::Graph> graphs_of(const std::vector<oci::OpenedPlace>& opened, std::size_t first) {
        std::vector<oci::Graph> graphs;
        for (std::size_t i = first; i < opened.size(); ++i) {
            graphs.push_back(opened[i].graph);
        }
        return graphs;
    }

    /// Blobs may be mounted from every repository that was a source.
    static oci::OpenedPlace joined(const std::vector<oci::OpenedPlace>& opened) {
        oci::OpenedPlace all = opened.front();
        for (std::size_t i = 1; i < opened.size(); ++i) {
            all.repositories.insert(all.repositories.end(), opened[i].repositories.begin(),
                                    opened[i].repositories.end());
        }
        return all;
    }

    [[nodiscard]] build::IfListed if_listed() const {
        return replace_ ? build::IfListed::Replace : build::IfListed::Refuse;
    }

    bool replace_ = false;
};

class IndexMakeCommand final : public IndexCommand {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "index make",
            .summary = "make a multi-platform index of images",
            .usage = "DESTINATION IMAGE... [FLAGS]",
            .about =
                "Each image is listed with the platform that its config says; of an index, all entries come along,\n"
                "attestations included (--platform takes one image of it). The images keep their digests. Sources "
                "and\n"
                "destination are places as in cooper help copy.",
            .examples = {{"two builds under one name",
                          "cooper index make registry.example/app:1.2 app-amd64.tar app-arm64.tar"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Index");
        line.values("--annotation", "KEY=VALUE", "of the index; repeatable", annotations_);
        line.toggle("--replace", "of two images for one platform the later counts", replace_);
        declare_edit(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 2, oci::kMaxIndexEntries);
        auto arguments = positionals;
        std::swap(arguments[0], arguments[1]);  // the destination is first here: there is no one source
        const Places places = parse_places(arguments);
        const auto annotations = parse_pairs(annotations_, "--annotation");
        Session session(output, connection_);
        const auto opened = open_all(session, places, 0);
        write(session, places, joined(opened),
              build::make_index(graphs_of(opened, 0), annotations, if_listed(), session.run()));
    }

private:
    std::vector<std::string> annotations_;
};

class IndexAddCommand final : public IndexCommand {
public:
    [[nodiscard]] VerbText text() const override {
        return {.name = "index add",
                .summary = "add images to an index",
                .usage = "INDEX DESTINATION IMAGE... [FLAGS]",
                .about =
                    "The images come last in the index, and all else in it stays as it is. A platform that is there "
                    "already with\n"
                    "another image is refused, or replaced with --replace (its attestations go too). All are places as "
                    "in\n"
                    "cooper help copy.",
                .examples = {{"one more platform",
                              "cooper index add registry.example/app:1.2 registry.example/app:1.2 app-riscv64.tar"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Index");
        line.toggle("--replace", "of two images for one platform the later counts", replace_);
        declare_edit(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 3, oci::kMaxIndexEntries);
        const Places places = parse_places(positionals);
        Session session(output, connection_);
        const auto opened = open_all(session, places, 1);
        write(session, places, joined(opened),
              build::add_to_index(opened[0].graph, graphs_of(opened, 1), if_listed(), session.run()));
    }
};

class IndexRemoveCommand final : public IndexCommand {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "index remove",
            .summary = "take images out of an index",
            .usage = "INDEX DESTINATION --entry OS/ARCH|DIGEST... [FLAGS]",
            .about =
                "The named entries go, and the attestations that speak of them; all else in the index stays as it "
                "is.\n"
                "INDEX and DESTINATION are places as in cooper help copy.",
            .examples = {{"without 32-bit ARM",
                          "cooper index remove debian:12 oci:./debian:12 --entry linux/arm/v5 --entry linux/arm/v7"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Index");
        line.values("--entry", "OS/ARCH|DIGEST", "what goes: a platform, exactly, or a digest; repeatable", entries_);
        declare_edit(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 2, 2);
        const Places places = parse_places(positionals);
        if (entries_.empty()) {
            throw UsageError("index remove: which entries?", "--entry linux/arm64");
        }
        Session session(output, connection_);
        const auto opened = open(session, places.from[0], true);
        write(session, places, opened, build::remove_from_index(opened.graph, entries_, session.run()));
    }

private:
    std::vector<std::string> entries_;
};

}  // namespace

std::unique_ptr<Command> make_index_make_command() {
    return std::make_unique<IndexMakeCommand>();
}

std::unique_ptr<Command> make_index_add_command() {
    return std::make_unique<IndexAddCommand>();
}

std::unique_ptr<Command> make_index_remove_command() {
    return std::make_unique<IndexRemoveCommand>();
}

}  // namespace cooper::cli
