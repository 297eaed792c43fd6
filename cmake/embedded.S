/* The default organism and the two pages, as bytes in the program: `ken study` and `ken serve` work from any folder. */
    .section .rodata
    .balign 64
    .global ken_embedded_model_begin, ken_embedded_model_end
ken_embedded_model_begin:
    .incbin "models/almanac.gguf"
ken_embedded_model_end:
    .balign 64
    .global ken_embedded_report_begin, ken_embedded_report_end
ken_embedded_report_begin:
    .incbin "web/dist/report.html"
ken_embedded_report_end:
    .global ken_embedded_workbench_begin, ken_embedded_workbench_end
ken_embedded_workbench_begin:
    .incbin "web/dist/workbench.html"
ken_embedded_workbench_end:
    .section .note.GNU-stack,"",@progbits
