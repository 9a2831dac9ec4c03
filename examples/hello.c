// SPDX-License-Identifier: Apache-2.0
//
// libheed from files to a recommendation:   hello FOLDER USER FILE...
//
//     cc hello.c $(pkg-config --cflags --libs heed) -o hello
//     ./hello shop u1 events.csv
#include <heed/heed.h>
#include <stdio.h>

static int fail(const char *what) {
    fprintf(stderr, "%s: %s\n", what, heed_error_message(HEED_EN));
    return heed_err_exit(heed_error_code());
}

static int recommend(heed_workspace *ws, const char *user) {
    heed_recommend_params params = heed_recommend_default();
    heed_recommendations *list = NULL;
    params.n = 3;
    if (heed_recommend(ws, user, &params, &list)) return fail("recommend");
    for (size_t i = 0; i < list->n; i++)
        printf("%s: %s\n", list->items[i].id, list->items[i].reason);
    heed_recommendations_free(list);
    return 0;
}

static int run(heed_workspace *ws, const char *user, const char *const *files, size_t n_files) {
    heed_import_params import = heed_import_default();
    heed_train_params train = heed_train_default();
    import.paths = files;
    import.n_paths = n_files;
    if (heed_import(ws, &import, NULL)) return fail("import");
    if (heed_train(ws, &train, NULL)) return fail("train");
    return recommend(ws, user);
}

int main(int argc, char **argv) {
    heed_workspace *ws = NULL;
    if (argc < 4) return fprintf(stderr, "usage: hello FOLDER USER FILE...\n"), 2;
    if (heed_workspace_init(argv[1], HEED_EN)) return fail("init");
    if (heed_workspace_open(argv[1], HEED_WRITE, &ws)) return fail("open");
    int status = run(ws, argv[2], (const char *const *)argv + 3, (size_t)argc - 3);
    heed_workspace_close(ws);
    return status;
}
