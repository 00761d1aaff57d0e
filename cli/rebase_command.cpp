#include "cooper/build/rebase.hpp"

#include "edit_command.hpp"

namespace cooper::cli {

namespace {

class RebaseCommand final : public EditCommand {
public:
    [[nodiscard]] VerbText text() const override {
        return {
            .name = "rebase",
            .summary = "put an image's own layers on another base",
            .usage = "SOURCE DESTINATION OLD_BASE NEW_BASE [FLAGS]",
            .about =
                "SOURCE must begin with the layers of OLD_BASE; those of NEW_BASE take their place, the others stay "
                "the same\n"
                "blobs. What the config has unchanged from the old base (a variable, a label, the entrypoint with its "
                "command,\n"
                "…) is as the new base has it; what the image says otherwise stays. All are places as in cooper help "
                "copy.\n"
                "A warning tells where directories that the image uses became links, or were. Nothing is run: whether "
                "the\n"
                "programs fit together is for tests to say.",
            .examples = {{"a base with its security updates, nothing rebuilt",
                          "cooper rebase registry.example/app:1 registry.example/app:1-1 debian:12.4 debian:12.5"}}};
    }

    void declare(CommandLine& line) override {
        line.heading("Bases");
        line.toggle("--no-path-check", "do not read the layers to compare links", no_check_);
        declare_edit(line);
    }

    void run(const std::vector<std::string>& positionals) override {
        expect_positionals(positionals, 4, 4);
        const Places places = parse_places(positionals);
        if (transfer_.all_platforms) {
            throw UsageError("rebase: one platform at a time", "--platform, then cooper index make");
        }
        Session session(output, connection_);
        build::RebaseOptions options;
        options.check_paths = !no_check_;
        if (const auto& reference = places.from[2].reference; reference) {
            options.base_name = reference->text();
        }
        const auto opened = open(session, places.from[0], false);
        const auto image = oci::image_of(opened.graph, transfer_.platform, opened.text, session.run());
        const auto rebased = build::rebase(image, open_image_at(session, places.from[1]),
                                           open_image_at(session, places.from[2]), options, session.run());
        for (const auto& warning : rebased.warnings) {
            session.warn(warning);
        }
        for (const auto& taken : rebased.taken_from_base) {
            session.note("from the new base: " + taken);
        }
        write(session, places, opened, oci::graph_of(rebased.image));
    }

private:
    bool no_check_ = false;
};

}  // namespace

std::unique_ptr<Command> make_rebase_command() {
    return std::make_unique<RebaseCommand>();
}

}  // namespace cooper::cli
